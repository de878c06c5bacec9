"""Detectors: where they come from, that the embedded one finds people, and in which coordinates they answer."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from facexlib.detection.retinaface import RetinaFace

from examples.make_examples import PORTRAITS
from restoration.faces import FACE_TEMPLATE, Face, detection, download
from restoration.faces.detection import DEFAULT, EMBEDDED, RetinaFaceDetector, find_faces, load_detector
from restoration.faces.download import DownloadError
from restoration.faces.small_detector import MIRRORED, EmbeddedDetector, refine
from restoration.images import Image, read_image

EXAMPLES = Path(__file__).parents[1] / "examples"
COLLINS, HOPPER = PORTRAITS


@pytest.fixture(scope="module")
def embedded() -> EmbeddedDetector:
    found = load_detector(EMBEDDED)
    assert isinstance(found, EmbeddedDetector)
    return found


def error(face: Face, landmarks: object) -> float:
    """Mean distance of the landmarks, as a share of the distance between the eyes."""
    truth = np.asarray(landmarks, float)
    return float(np.linalg.norm(face.landmarks - truth, axis=1).mean() / np.linalg.norm(truth[1] - truth[0]))


@pytest.mark.parametrize(("portrait", "factor"), [(COLLINS, 1), (COLLINS, 4), (HOPPER, 1), (HOPPER, 2)])
def test_the_embedded_detector_finds_the_portraits(embedded: EmbeddedDetector, portrait, factor: int) -> None:
    photo = np.repeat(np.repeat(portrait.read(), factor, 0), factor, 1)
    [face] = find_faces(photo, embedded)
    # Labels by eye: both detectors agree on a higher mouth.
    assert error(face, (np.array(portrait.landmarks) + 0.5) * factor - 0.5) < 0.1
    left, top, right, bottom = face.box
    assert left < face.landmarks[:, 0].min() < face.landmarks[:, 0].max() < right
    assert top < face.landmarks[:, 1].min() < face.landmarks[:, 1].max() < bottom
    assert 0.9 < face.score <= 1


def test_two_people_are_two_faces_the_larger_first(embedded: EmbeddedDetector) -> None:
    photo = np.hstack([COLLINS.read()[:500], HOPPER.read()[:500]])
    larger, smaller = find_faces(photo, embedded)
    assert error(larger, np.add(HOPPER.landmarks, (512, 0))) < 0.1
    assert error(smaller, COLLINS.landmarks) < 0.1


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_lying_on_its_side_is_searched_turned(embedded: EmbeddedDetector, quarters: int) -> None:
    photo = HOPPER.read()[::2, ::2]
    height, width = photo.shape[:2]
    x, y = np.array(HOPPER.landmarks).T / 2
    places = {1: (y, width - 1 - x), 2: (width - 1 - x, height - 1 - y), 3: (height - 1 - y, x)}
    [face] = find_faces(np.ascontiguousarray(np.rot90(photo, quarters)), embedded)
    assert error(face, np.stack(places[quarters], axis=1)) < 0.1


def test_a_group_is_the_same_at_every_quarter_turn() -> None:
    """A detector sees fewer faces where they lie, as RetinaFace sees these: 4, 4, 1 and 2; and one that is none."""
    photo = np.zeros((200, 400, 3), np.uint8)
    photo[:20, :20] = 255  # says how the photo lies
    template = (FACE_TEMPLATE - 256) * 0.12
    group = [Face((x - 25, 75, x + 25, 125), np.add(template, (x, 100)), 1.0) for x in (50, 150, 250, 350)]
    corners = {0: (0, 0), 1: (-1, 0), 2: (-1, -1), 3: (0, -1)}

    def find(seen: Image) -> list[Face]:
        [turn] = [turn for turn, corner in corners.items() if seen[corner].all()]
        height, width = seen.shape[:2]
        faces = [detection._turn_back(face, -turn % 4, width, height) for face in group[: (4, 4, 1, 2)[turn]]]
        none = Face((60, 60, 80, 80), template * 0.3 + 70, 0.94)
        return faces + [none] * (turn == 2)

    for turn in range(4):
        turned = np.ascontiguousarray(np.rot90(photo, turn))
        assert len(find_faces(turned, SimpleNamespace(name="scripted", find=find))) == 4, turn


@pytest.mark.parametrize("name", ["eileen_collins", "grace_hopper"])
@pytest.mark.parametrize("box", [(150, 420, 140, 370), (190, 400, 160, 350)])
def test_a_face_that_fills_the_photo_is_found(embedded: EmbeddedDetector, name: str, box: tuple[int, ...]) -> None:
    top, bottom, left, right = box
    photo = read_image(EXAMPLES / f"{name}.png")[top:bottom, left:right]
    [face] = find_faces(np.ascontiguousarray(photo), embedded)
    assert error(face, FACE_TEMPLATE - (left, top)) < 0.15


def test_pictures_without_a_face_have_none(embedded: EmbeddedDetector) -> None:
    import skimage.data

    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    for photo in (noise, np.full((16, 16, 3), 90, np.uint8), skimage.data.coffee()[::2, ::2], skimage.data.chelsea()):
        assert find_faces(np.ascontiguousarray(photo), embedded) == []


def test_faces_that_cannot_be_aligned_are_left_out() -> None:
    photo = np.zeros((200, 200, 3), np.uint8)
    points = np.array(COLLINS.landmarks)
    outside, one_place = points + 500, np.full((5, 2), 50.0)
    bad = [Face((0, 0, 9, 9), landmarks, 0.9) for landmarks in (outside, one_place)]
    assert find_faces(photo, SimpleNamespace(name="scripted", find=lambda photo: bad)) == []


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and a process that has loaded no detector yet."""
    monkeypatch.setattr(download, "CACHE", tmp_path)
    detection._load.cache_clear()
    yield tmp_path
    detection._load.cache_clear()


def published(folder: Path) -> Path:
    """A file of the published name that holds an untrained network, keys prefixed as the release's are."""
    torch.manual_seed(0)
    path = folder / detection.PUBLISHED[DEFAULT][0]
    network = RetinaFace("mobile0.25", device="cpu")
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, path)
    return path


def test_a_folder_with_the_published_file_is_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = published(tmp_path)
    found = load_detector(tmp_path)
    assert isinstance(found, RetinaFaceDetector)
    assert found.name == DEFAULT
    assert all(isinstance(face, Face) for face in found.find(COLLINS.read()[80:170, 180:270]))
    assert found.alone().name == DEFAULT
    monkeypatch.setenv(detection.ENVIRONMENT_VARIABLE, str(tmp_path))
    assert load_detector() is found  # loaded once
    path.with_name("other").mkdir()
    path.rename(tmp_path / "other" / path.name).write_bytes(b"no weights")
    with pytest.raises(DownloadError, match="does not hold"):
        load_detector(tmp_path / "other")


def test_it_answers_what_facexlib_answers_for_a_batch_and_from_several_threads() -> None:
    """facexlib's corner of a picture is at 0, ours at -0.5; it wants blue, green, red; it keeps a scale in itself."""
    torch.manual_seed(0)
    network = RetinaFace("mobile0.25", device="cpu").requires_grad_(False)
    for name, weight in network.named_parameters():
        if weight.ndim > 1 and "Head" not in name:
            torch.nn.init.kaiming_normal_(weight)  # torch's own start leaves all scores nearly equal
    found = RetinaFaceDetector("untrained", network)
    photos = [COLLINS.read()[80:170, 180:270], HOPPER.read()[200:264, 200:300]]
    reference = [network.detect_faces(photo[..., ::-1], found.PROPOSED)[:20] for photo in photos]
    assert all(len(rows) == 20 for rows in reference)

    def compare(i: int) -> None:
        batch = np.stack([photos[i], 255 - photos[i]])
        boxes, landmarks, scores = (values[:20] for values in found._see(batch, scale=2)[0])
        np.testing.assert_allclose(boxes * 2 + 1, reference[i][:, :4], atol=0.01)
        np.testing.assert_allclose(landmarks.flatten(1) * 2 + 1, reference[i][:, 5:], atol=0.01)
        np.testing.assert_allclose(scores, reference[i][:, 4], atol=1e-5)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(compare, [0, 1] * 10)) == [None] * 20


@pytest.mark.parametrize("portrait", PORTRAITS, ids=lambda portrait: portrait.name)
def test_a_second_look_finds_landmarks_again_and_does_not_prefer_a_side(embedded: EmbeddedDetector, portrait) -> None:
    """RetinaFace's landmarks, too, are averaged with those of this look."""
    refiner, photo = embedded._refiner, portrait.read()
    [face] = find_faces(photo, embedded)
    eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
    moved = torch.from_numpy(face.landmarks + 0.08 * eyes)[None].float()
    seen, scores = refine(refiner, photo, moved)
    assert error(face, seen[0].numpy()) < 0.06  # it was 0.11
    assert scores[0] > 0.9
    mirror = np.array([photo.shape[1] - 1, 0])
    turned = (moved[0].numpy() * (-1, 1) + mirror)[MIRRORED]
    back, _ = refine(refiner, np.ascontiguousarray(photo[:, ::-1]), torch.from_numpy(turned)[None].float())
    mirrored = (back[0].numpy() * (-1, 1) + mirror)[MIRRORED]
    assert np.linalg.norm(mirrored - seen[0].numpy(), axis=1).max() < 0.02 * eyes


def test_the_published_file_comes_from_the_cache_by_its_checksum(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = published(cache)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(detection.PUBLISHED, DEFAULT, (path.name, checksum))
    assert load_detector("auto").name == load_detector(DEFAULT).name == DEFAULT


def test_without_network_and_cache_the_embedded_detector_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "_RELEASE", "http://127.0.0.1:9/")  # nothing listens on the discard port
    assert load_detector("auto").name == EMBEDDED
    with pytest.raises(DownloadError, match="cannot be reached"):
        load_detector(DEFAULT)
    monkeypatch.setattr(download, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        load_detector(DEFAULT)
