"""A whole photo: which faces are restored, what stays, how strong, how large, and in how much memory."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from examples.make_examples import PORTRAITS
from restoration.faces import Face, align_face
from restoration.faces.photo import NoFaceError, in_tiles, restore_photo
from restoration.images import Image, InputError

HOPPER = PORTRAITS[1]


def group() -> tuple[Image, list[Face]]:
    """Two portraits side by side, at half their size, and where their faces are, the larger first."""
    photo = np.hstack([portrait.read()[:500:2, :500:2] for portrait in PORTRAITS])
    points = (np.array(portrait.landmarks) / 2 + (250 * i, 0) for i, portrait in enumerate(PORTRAITS))
    faces = [Face((*(p.min(axis=0) - 25), *(p.max(axis=0) + 25)), p, 1.0) for p in points]
    return photo, faces[::-1]


def darken_all(images: Sequence[Image], aligned: bool) -> list[Image]:
    return [darken(image) for image in images]


def darken(image: Image) -> Image:
    """A network whose work is easy to see: checks of 8 pixels, 40 levels apart."""
    y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    return np.clip(image + (40 * ((x // 8 + y // 8) % 2) - 20)[..., None], 0, 255).astype(np.uint8)


def test_every_face_is_restored_and_reported_and_the_rest_stays() -> None:
    photo, faces = group()
    result = restore_photo(photo, darken_all, None, faces=faces)
    assert [face.face for face in result.faces] == faces
    np.testing.assert_array_equal(result.base, photo)
    changed = (result.photo != photo).any(axis=2)
    assert changed[:, :250].any()
    assert changed[:, 250:].any()
    assert not changed[150:, :200].any()
    assert set(result.seconds) == {"detection", "background", "network", "pasting"}


def test_faces_and_tiles_go_through_the_network_together() -> None:
    photo, faces = group()
    passes, steps = [], []

    def count(images: Sequence[Image], aligned: bool) -> list[Image]:
        assert {image.shape for image in images} == {(512, 512, 3)}
        passes.append((len(images), aligned))
        return darken_all(images, aligned)

    many = [replace(faces[1], landmarks=faces[1].landmarks + i) for i in range(10)]
    result = restore_photo(photo, count, None, faces=many, progress=lambda *done: steps.append(done))
    assert passes == [(8, True), (2, True)]
    assert steps == [(i, 10) for i in range(1, 11)]
    for face in result.faces:
        np.testing.assert_array_equal(face.input_crop, align_face(photo, face.face.landmarks))
        np.testing.assert_array_equal(face.restored_crop, darken(face.input_crop))
    passes.clear()
    restore_photo(photo, count, None, faces=faces[1:], scale=4, background="network")
    assert passes == [(8, False), (7, False), (1, True)]  # 3 rows of 5 tiles, then the face


def test_strength_changes_without_the_network() -> None:
    photo, faces = group()
    result = restore_photo(photo, darken_all, None, faces=faces, strength=(0.0, 1.0))
    np.testing.assert_array_equal(result.photo[:, 250:], photo[:, 250:])  # the first face is the one on the right
    assert (result.photo[:, :250] != photo[:, :250]).any()
    np.testing.assert_array_equal(result.blend(0), photo)
    np.testing.assert_array_equal(result.blend((0.0, 1.0)), result.photo)
    np.testing.assert_array_equal(result.blend(np.float32(0.5)), result.blend(0.5))
    for wrong in (True, "1", None):
        with pytest.raises(InputError, match="A strength is"):
            result.blend(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [2, 4])
def test_the_result_is_larger_by_the_scale(scale: int) -> None:
    photo, faces = group()
    result = restore_photo(photo, darken_all, None, faces=faces[:1], scale=scale)
    assert result.photo.shape == (250 * scale, 500 * scale, 3)
    np.testing.assert_array_equal(result.photo[:, : 250 * scale], result.base[:, : 250 * scale])
    y, x = (int(scale * (value + 0.5)) for value in faces[0].landmarks[2][::-1])
    spot = np.s_[y - 4 * scale : y + 4 * scale, x - 4 * scale : x + 4 * scale]
    assert np.abs(result.photo[spot].astype(int) - result.base[spot]).mean() > 5


@pytest.mark.parametrize("size", [(64, 80), (512, 512), (700, 1300)])
def test_tiles_of_a_pointwise_network_leave_no_trace(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    np.testing.assert_array_equal(in_tiles(image, lambda tiles, aligned: [255 - tile for tile in tiles]), 255 - image)


def test_tiles_that_differ_fade_into_each_other() -> None:
    levels = iter([100, 200])
    image = np.zeros((512, 960, 3), np.uint8)
    tiled = in_tiles(image, lambda tiles, aligned: [np.full_like(tile, next(levels)) for tile in tiles])
    row = tiled[100, :, 0].astype(int)
    assert (row[0], row[-1]) == (100, 200)
    assert 0 <= np.diff(row).min() <= np.diff(row).max() <= 2


def test_no_face_and_options_out_of_range_are_refused_with_what_to_do() -> None:
    photo, faces = group()
    with pytest.raises(NoFaceError, match="centred square"):
        restore_photo(photo, darken_all, None)
    with pytest.raises(InputError, match="1, 2 or 4"):
        restore_photo(photo, darken_all, None, faces=faces, scale=3)
    with pytest.raises(InputError, match="lanczos or network"):
        restore_photo(photo, darken_all, None, faces=faces, background="magic")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="megapixels"):
        restore_photo(np.zeros((5000, 5000, 3), np.uint8), darken_all, None, faces=faces, scale=4)


MEMORY = """
import cv2
import numpy as np
from examples.make_examples import PORTRAITS
from restoration import Restorer
tile = cv2.resize(PORTRAITS[1].read()[:600, :512], (308, 360), interpolation=cv2.INTER_AREA)
photo = np.full((4000, 6000, 3), 128, np.uint8)
photo[:2520, :1848] = np.tile(tile, (7, 6, 1))
done = []
result = Restorer.from_pretrained().restore(photo, detector="embedded", progress=lambda a, b: done.append((a, b)))
assert done[-1] == (len(done), len(done)), done
assert (result.photo != photo).any()
# Not ``ru_maxrss``: a process inherits that from the one that started it, here from a large test run.
[peak] = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")]
print(len(result.faces), peak // 1024)
"""


def test_a_photo_of_24_megapixels_with_forty_faces_stays_under_2_gib() -> None:
    run = subprocess.run(
        [sys.executable, "-c", MEMORY], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    faces, megabytes = map(int, run.stdout.split())
    assert faces >= 40
    assert megabytes < 2048
