"""Training data: sources are read as they are, and every draw is a function of seed and step."""

import dataclasses
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import torch
from tiny import EXAMPLES, TINY

from examples.make_examples import group
from restoration.degrade import degrade
from restoration.degrade.protocols import BLIND, HEAVY, ORIGINAL, ORIGINAL_ALL, Distribution
from restoration.faces import FACE_TEMPLATE
from restoration.faces.detection import find_faces, load_detector
from restoration.images import Image, InputError, read_image, write_png
from restoration.measure import psnr
from restoration.network import reduce
from train.batches import Jitter, Recipe, apply_jitter, cut, face_squares, whole_faces
from train.data import Faces, Source, load_faces, open_source, read_faces


def test_other_sizes_are_resized_and_other_shapes_refused(tmp_path: Path) -> None:
    face = read_image(EXAMPLES / "eileen_collins.png")
    (tmp_path / "person").mkdir()
    write_png(face[::2, ::2], tmp_path / "person" / "half.png")
    PIL.Image.fromarray(face).save(tmp_path / "whole.HEIC")
    loaded = load_faces([tmp_path])
    assert (loaded.images.shape, loaded.names) == ((2, 3, 512, 512), ("person/half.png", "whole.HEIC"))
    for wrong, message in ((face[:400], r"wide\.png: 512×400"), (face[::4, ::4], r"wide\.png: 128 pixels")):
        write_png(wrong, tmp_path / "wide.png")
        with pytest.raises(InputError, match=message):
            load_faces([tmp_path])


def squares(faces: Faces, step: int = 0, seed: int = 0, **more: Any) -> tuple[Any, ...]:
    config = dataclasses.replace(TINY, **{"batch": 6, "squares": 3, "alone": 0.0, "plain": 0.0, **more})
    return face_squares(Recipe(faces, degradations=BLIND, seed=seed), step, config)


def test_squares_are_functions_of_seed_and_step_some_alone_some_plain(faces: Faces) -> None:
    degraded, clean, boxes, alone = squares(faces, 1)
    again, *_, repeated, _ = squares(faces, 1)
    assert torch.equal(degraded, again)
    assert boxes == repeated != squares(faces, 2)[2]
    assert not torch.equal(degraded, squares(faces, 1, seed=1)[0])
    face, top, left = boxes[4]
    assert face == 1
    assert cut(clean, boxes, 64).shape == (6, 3, 64, 64)
    assert torch.equal(cut(clean, boxes, 64)[4], clean[1, :, top : top + 64, left : left + 64])
    plain = squares(faces, plain=1.0)  # there is no face in it
    assert [alone, squares(faces, alone=1.0)[3], plain[3]] == [[False] * 2, [True] * 2, [True] * 2]
    assert 0 < float(plain[1].std(dim=(2, 3)).max()) < 0.1


def test_an_epoch_shows_every_face_once() -> None:
    levels = torch.arange(10, dtype=torch.uint8)[:, None, None, None]
    small = Faces(levels[6:].expand(4, 3, 128, 128), ("y",) * 4)
    recipe = Recipe(Faces(levels[:6].expand(6, 3, 512, 512), ("x",) * 6), small, degradations=Distribution())
    batches = [whole_faces(recipe, step, batch=5, side=128)[1] for step in range(4)]
    seen = (torch.cat(batches)[:, 0, 0, 0] * 255).round().int().tolist()
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


@pytest.mark.parametrize("protocol", [BLIND, HEAVY, ORIGINAL, ORIGINAL_ALL])
def test_degrading_at_a_reduced_size_shows_the_same_distribution(faces: Faces, protocol: Any) -> None:
    differences = []
    for position in range(24):
        rng = random.Random(position)
        settings, seed, clean = protocol.sample(rng), rng.getrandbits(62), faces.clean([position % 2])
        factor = next((k for k in (4, 2) if settings.reduced(k)), 0)
        if not (factor and (small := settings.reduced(factor))):
            continue
        ways = [(clean, settings), (reduce(clean, 512 // factor), small)]
        seen = [reduce(degrade(face, [s], [torch.Generator().manual_seed(seed)]), 128) for face, s in ways]
        truth = reduce(clean, 128)
        there, here = (-10 * float((image - truth).square().mean().log10()) for image in seen)
        differences.append(here - there)
    assert abs(np.mean(differences)) < 0.4  # dB, of 15 dB between mild and heavy draws
    assert np.std(differences) < 1


def test_a_limit_is_spread_over_the_sorted_names_and_a_file_holds_the_same(tmp_path: Path) -> None:
    for i in range(5):
        write_png(np.full((256, 256, 3), 10 * (i + 1), np.uint8), tmp_path / f"{i}.png")
    loaded = load_faces([tmp_path], limit=3)
    assert loaded.names == ("0.png", "1.png", "3.png")
    assert loaded.images[:, 0, 0, 0].tolist() == [10, 20, 40]
    assert len(load_faces([tmp_path], limit=7)) == 5
    stored = read_faces(open_source([str(tmp_path)], limit=3), store=tmp_path / "run" / "faces")
    assert torch.equal(stored.images, loaded.images)
    assert stored.fingerprint == loaded.fingerprint != load_faces([tmp_path]).fingerprint
    assert (tmp_path / "run" / "faces").stat().st_size == 3 * 3 * 512 * 512
    with pytest.raises(InputError, match="--on-disk"):
        read_faces(Source(10**9, []))


def test_jitter_moves_as_opencv_does_and_tints(faces: Faces) -> None:
    clean = faces.clean([0])
    torch.testing.assert_close(apply_jitter(clean, [Jitter()]), clean, atol=2e-4, rtol=0)
    moved = apply_jitter(clean, [Jitter(4, 1.05, 6, -5)])[0].permute(1, 2, 0).numpy()
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), -4, 1.05)  # OpenCV turns the other way
    matrix[:, 2] += 6, -5
    image = clean[0].permute(1, 2, 0).numpy()
    reference = cv2.warpAffine(image, matrix, (512, 512), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    core = np.s_[40:-40, 40:-40]
    assert psnr((moved[core] * 255).astype(np.uint8), (reference[core].clip(0, 1) * 255).astype(np.uint8)) > 40
    tinted = apply_jitter(clean, [Jitter(gamma=1.2, gains=(0.9, 1, 1.1))])
    expected = (clean.clamp(1e-4, 1) ** 1.2 * torch.tensor([0.9, 1, 1.1])[:, None, None]).clamp(0, 1)
    torch.testing.assert_close(tinted, expected, atol=2e-4, rtol=0)


def everything(text: Path | str, **options: object) -> dict[str, Image | None]:
    """Everything that a source gives."""
    source = open_source([str(text)], **options)  # type: ignore[arg-type]
    return {name: source.face(name, picture) for name, picture in source.pictures}


def test_the_largest_face_of_a_photo_is_aligned_and_a_photo_without_one_left_out(tmp_path: Path) -> None:
    photo = group()  # faces of 175 and 272 pixels
    write_png(photo, tmp_path / "group.png")
    write_png(np.full((150, 200, 3), 128, np.uint8), tmp_path / "wall.png")
    (tmp_path / "damaged.jpg").write_bytes(b"not a picture")
    (tmp_path / "folder.png").mkdir()
    found = everything(tmp_path, align=True)
    assert set(found) == {"damaged.jpg", "group.png", "wall.png"}
    assert found["wall.png"] is found["damaged.jpg"] is None
    face = found["group.png"]
    assert face is not None
    [seen] = find_faces(face, load_detector("embedded"))
    assert float(np.abs(seen.landmarks - FACE_TEMPLATE).max()) < 12  # pixels, a tenth of the distance of the eyes
    write_png(photo[::4, ::4], tmp_path / "group.png")  # faces of a few dozen pixels teach nothing
    assert everything(tmp_path, align=True)["group.png"] is None
    assert everything(tmp_path, align=True, smallest=16)["group.png"] is not None
    (tmp_path / "damaged.jpg").unlink()
    with pytest.raises(InputError, match="--align"):
        everything(tmp_path)


def test_a_data_set_in_the_form_of_the_hub_is_streamed(tmp_path: Path) -> None:
    found = everything(f"hub:{EXAMPLES}", limit=5)
    for face, path in zip(found.values(), sorted(EXAMPLES.glob("*.png")), strict=True):
        np.testing.assert_array_equal(face, read_image(path))  # type: ignore[arg-type]
    assert len(everything(f"hub:{EXAMPLES}", limit=1)) == 1
    wrong = {"give --limit": [f"hub:{EXAMPLES}"], "cannot be read": [f"hub:{EXAMPLES}:no_such_split"]}
    for message, data in {**wrong, "alone": ["hub:x", str(EXAMPLES)], "No pictures": [str(tmp_path)]}.items():
        with pytest.raises(InputError, match=message):
            open_source(data)
