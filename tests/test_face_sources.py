"""Sources of training faces: folders, CelebA as torchvision lays it out, the Hub's form, photos to align."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tiny import EXAMPLES

from examples.make_examples import group
from restoration.faces import FACE_TEMPLATE, align_face
from restoration.faces.detection import find_faces, load_detector
from restoration.images import Image, InputError, read_image, write_png
from train.face_sources import Folders, open_source

EILEEN = np.array([[65, 92], [113, 92], [89, 120], [68, 142], [110, 142]])  # where CelebA would have her landmarks


def faces(text: Path | str, **options: object) -> dict[str, Image | None]:
    """Everything that a source gives."""
    return dict(task() for task in open_source([str(text)], **options).read(0))  # type: ignore[arg-type]


def test_folders_are_read_in_order_and_from_the_middle() -> None:
    source = open_source([str(EXAMPLES)])
    names = [task()[0] for task in source.read(0)]
    assert names == ["eileen_collins.png", "grace_hopper.png"]
    assert source.count == 2
    [(name, face)] = [task() for task in source.read(1)]
    assert name == "grace_hopper.png"
    assert face is not None
    np.testing.assert_array_equal(face, read_image(EXAMPLES / name))


def test_the_largest_face_of_a_photo_is_aligned_and_a_photo_without_one_left_out(tmp_path: Path) -> None:
    photo = np.kron(group(), np.ones((2, 2, 1), np.uint8))
    write_png(photo, tmp_path / "group.png")
    write_png(np.full((600, 800, 3), 128, np.uint8), tmp_path / "wall.png")
    found = faces(tmp_path, align=True)
    assert found["wall.png"] is None
    face = found["group.png"]
    assert face is not None
    [seen] = find_faces(face, load_detector("embedded"))
    assert float(np.abs(seen.landmarks - FACE_TEMPLATE).max()) < 12  # pixels, a tenth of the distance of the eyes
    write_png(photo[::8, ::8], tmp_path / "group.png")  # faces of a few dozen pixels teach nothing
    assert faces(tmp_path, align=True)["group.png"] is None
    with pytest.raises(InputError, match="--align"):
        faces(tmp_path)
    (tmp_path / "damaged.jpg").write_bytes(b"not a picture")
    (tmp_path / "folder.png").mkdir()
    assert faces(tmp_path, align=True)["damaged.jpg"] is None


def celeba(root: Path) -> None:
    """CelebA's layout with three pictures, the last of its validation split."""
    folder = root / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    points = " ".join(str(v) for v in EILEEN.ravel())
    names = ["000001.jpg", "000002.jpg", "000003.jpg"]
    for name in names:
        picture = PIL.Image.fromarray(read_image(EXAMPLES / "eileen_collins.png")).resize((178, 218))
        picture.save(folder / "img_align_celeba" / name, quality=95)
    tables = {
        "list_eval_partition.txt": [f"{name} {i // 2}" for i, name in enumerate(names)],
        "identity_CelebA.txt": [f"{name} 7" for name in names],
        "list_bbox_celeba.txt": ["3", "image_id x y w h", *(f"{name} 1 2 3 4" for name in names)],
        "list_landmarks_align_celeba.txt": ["3", "lefteye_x …", *(f"{name} {points}" for name in names)],
        "list_attr_celeba.txt": ["3", "Smiling", *(f"{name} 1" for name in names)],
    }
    for name, rows in tables.items():
        (folder / name).write_text("\n".join(rows) + "\n")


def test_celeba_is_aligned_by_its_own_landmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    celeba(tmp_path)
    with pytest.raises(InputError, match="download=True"):  # torchvision knows the real lists by their checksums
        open_source([f"celeba:{tmp_path}"])
    monkeypatch.setattr("torchvision.datasets.celeba.check_integrity", lambda path, md5: Path(path).is_file())
    found = faces(f"celeba:{tmp_path}")
    assert list(found) == ["celeba/000001.jpg", "celeba/000002.jpg"]
    face = found["celeba/000001.jpg"]
    picture = read_image(tmp_path / "celeba" / "img_align_celeba" / "000001.jpg")
    assert face is not None
    np.testing.assert_array_equal(face, align_face(picture, EILEEN))
    assert open_source([f"celeba:{tmp_path}:all"]).count == 3
    assert open_source([f"celeba:{tmp_path}:all"], limit=1).count == 1
    with pytest.raises(InputError, match="'some'"):
        open_source([f"celeba:{tmp_path}:some"])


def test_a_data_set_in_the_form_of_the_hub_is_streamed() -> None:
    found = faces(f"hub:{EXAMPLES}")
    pictures = sorted(EXAMPLES.glob("*.png"))
    assert len(found) == len(pictures)
    for face, path in zip(found.values(), pictures, strict=True):
        assert face is not None
        np.testing.assert_array_equal(face, read_image(path))
    assert len(faces(f"hub:{EXAMPLES}", limit=1)) == 1
    [task] = open_source([f"hub:{EXAMPLES}"]).read(1)
    assert task()[0].endswith("/1")
    with pytest.raises(InputError, match="cannot be read"):
        open_source([f"hub:{EXAMPLES}:no_such_split"])


def test_sources_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="OWNER/NAME"):
        open_source(["hub:"])
    with pytest.raises(InputError, match="alone"):
        open_source(["celeba:x", str(EXAMPLES)])
    with pytest.raises(InputError, match="At least one"):
        open_source([str(EXAMPLES)], limit=0)
    with pytest.raises(InputError, match="No pictures"):
        Folders([tmp_path], None, None)
