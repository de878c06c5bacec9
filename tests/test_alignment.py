"""Known transforms are recovered exactly, nothing is half a pixel off, large faces do not alias."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from examples.make_examples import FOLDER, PORTRAITS, SAMPLES, TAB_PHOTOS, make_face
from restoration.faces import FACE_TEMPLATE, IDENTITY_TEMPLATE, align_face, crop_centre, similarity_transform
from restoration.images import Image, InputError, read_image


def known(scale: float, degrees: float, dx: float, dy: float) -> NDArray[np.float64]:
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[c, -s, dx], [s, c, dy]])


def apply(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ matrix[:, :2].T + matrix[:, 2]


def undo(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def waves(x: NDArray[np.float64], y: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """A smooth pattern, defined between pixels too: (..., 3), 28 to 228, of period 2 pi ``length``."""
    values = [np.sin(x / length) * np.cos(y / length), np.cos(x / length), np.sin(y / length)]
    return 128 + 100 * np.stack(values, axis=-1)


def photo_of_waves(height: int, width: int, length: float) -> Image:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    return np.rint(waves(x, y, length)).astype(np.uint8)


def compare(face: Image, to_photo: NDArray[np.float64], size: tuple[int, int], length: float) -> tuple[float, float]:
    """Compare a crop of ``photo_of_waves(*size, length)`` with the pattern's formula at the places it comes from.

    Returns:
        the mean absolute error in grey levels, and by how many crop pixels the crop is misplaced: the least-squares
        shift that explains the error, found from the pattern's slopes. It would be 0.5 to 0.7 for half a pixel.
    """
    y, x = np.mgrid[0:512, 0:512].astype(np.float64)

    def places(dx: float, dy: float) -> NDArray[np.float64]:
        return apply(to_photo, np.stack([x + dx, y + dy], axis=-1).reshape(-1, 2)).reshape(512, 512, 2)

    def pattern(dx: float, dy: float) -> NDArray[np.float64]:
        return waves(*np.moveaxis(places(dx, dy), -1, 0), length)

    margin = 4 * max(1, np.hypot(*to_photo[:, 0]))  # away from the photo's edge
    inside = ((places(0, 0) > margin) & (places(0, 0) < np.array(size[::-1]) - 1 - margin)).all(axis=-1)
    assert inside.mean() > 0.7
    error = (face - pattern(0, 0))[inside]
    slopes = np.stack([pattern(0.5, 0) - pattern(-0.5, 0), pattern(0, 0.5) - pattern(0, -0.5)], axis=-1)[inside]
    shift, *_ = np.linalg.lstsq(slopes.reshape(-1, 2), error.reshape(-1), rcond=None)
    return float(np.abs(error).mean()), float(np.hypot(*shift))


@pytest.mark.parametrize(("count", "noise"), [(2, 0), (5, 0), (5, 10), (40, 3)])
def test_known_transforms_are_recovered_and_noisy_ones_by_least_squares(count: int, noise: float) -> None:
    """The same problem written as 2 N equations in (a, b, dx, dy) and left to LAPACK."""
    random = np.random.default_rng(count)
    for scale, degrees in itertools.product((0.1, 1, 2.9), (0, 37, -170)):
        source, matrix = random.uniform(0, 500, (count, 2)), known(scale, degrees, 800, -0.25)
        target = apply(matrix, source) + random.normal(0, noise, (count, 2))
        (x, y), one, zero = source.T, np.ones(count), np.zeros(count)
        system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
        (a, b, dx, dy), *_ = np.linalg.lstsq(system, target.T.reshape(-1), rcond=None)
        np.testing.assert_allclose(similarity_transform(source, target), [[a, -b, dx], [b, a, dy]], atol=1e-8)


def test_mirrored_points_are_not_mirrored_back() -> None:
    assert np.linalg.det(similarity_transform(FACE_TEMPLATE * (-1, 1), FACE_TEMPLATE)[:, :2]) > 0


def test_templates_are_the_published_ones() -> None:
    assert FACE_TEMPLATE[[0, 4]].tolist() == [[192.98, 239.95], [313.09, 371.15]]
    matrix = similarity_transform(FACE_TEMPLATE, IDENTITY_TEMPLATE)  # both are faces: they fit to a few of 112 pixels
    assert np.abs(apply(matrix, FACE_TEMPLATE) - IDENTITY_TEMPLATE).max() < 3


@pytest.mark.parametrize("quarter", range(4))
def test_a_quarter_turn_is_undone_exactly(quarter: int) -> None:
    face = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    x, y = FACE_TEMPLATE.T
    turned = (FACE_TEMPLATE, np.stack([y, 511 - x], 1), 511 - FACE_TEMPLATE, np.stack([511 - y, x], 1))[quarter]
    assert np.array_equal(align_face(np.rot90(face, quarter), turned), face)


@pytest.mark.parametrize(
    ("scale", "degrees"), [*itertools.product([2.9, 1.0, 0.9, 0.45], [0, 25, -120]), (0.5, 0), (1 / 3, 90), (0.21, 25)]
)
def test_the_crop_is_the_pattern_at_the_mapped_place(scale: float, degrees: float) -> None:
    size = (round(600 / scale) + 40, round(650 / scale) + 40)
    length = 20 / scale  # 20 crop pixels: averaging over one of them weakens the pattern by a thousandth
    matrix = known(scale, degrees, 0, 0)
    matrix[:, 2] = 255.5 + np.array([0.3, -0.4]) - matrix[:, :2] @ np.array([size[1] / 2, size[0] / 2])
    face = align_face(photo_of_waves(*size, length), undo(matrix, FACE_TEMPLATE))
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    error, misplaced = compare(face, back, size, length)
    assert error < 0.6  # rounding alone: 0.25 in the photo and 0.25 in the crop
    assert misplaced < 0.1  # rounding to 8 bits after interpolation at a constant fraction looks like up to 0.06


@pytest.mark.parametrize("scale", [0.95, 0.7, 0.5, 0.33, 0.17])
def test_a_large_face_does_not_alias(scale: float) -> None:
    """Fine noise averages out when a face is reduced; plain interpolation would keep all of it."""
    side = int(512 / scale) + 40
    noise = np.random.default_rng(0).normal(128, 30, (side, side, 1)).repeat(3, axis=2)
    face = align_face(np.clip(noise, 0, 255).astype(np.uint8), (FACE_TEMPLATE + 8) / scale)
    assert face.std() < 30 * scale * 1.1 + 0.5
    assert abs(face.mean() - 128) < 1


def test_outside_the_photo_the_edge_is_repeated() -> None:
    dark = np.full((100, 100, 3), (10, 20, 30), np.uint8)
    assert (align_face(dark, FACE_TEMPLATE / 5.0) == dark[0, 0]).all()
    half = np.concatenate([dark, 255 - dark], axis=1)  # 200 wide
    face = align_face(half, FACE_TEMPLATE - np.array([156, 270]))  # crop x is photo x + 156: much lies outside
    assert (face[:, :150] == half[0, 0]).all()
    assert (face[:, 400:] == half[0, -1]).all()


@pytest.mark.parametrize("landmarks", [
    np.full((5, 2), 50.0), np.full((5, 2), np.nan), FACE_TEMPLATE / 100, FACE_TEMPLATE * 1e5, FACE_TEMPLATE + 5000,
])  # fmt: skip
def test_landmarks_of_no_face_in_the_photo(landmarks: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="do not lie on one face"):
        align_face(photo_of_waves(200, 200, 9), landmarks)


@pytest.mark.parametrize("side", [128, 333, 1500])
def test_crop_centre_is_not_half_a_pixel_off(side: int) -> None:
    """Crop pixel x is photo pixel (x + 0.5) side / 512 - 0.5."""
    f = side / 512
    face = crop_centre(photo_of_waves(side, side, side / 20))
    error, misplaced = compare(face, known(f, 0, (f - 1) / 2, (f - 1) / 2), (side, side), side / 20)
    assert error < 0.6
    assert misplaced < 0.1


def test_the_measure_of_misplacement_sees_half_a_pixel() -> None:
    face = photo_of_waves(512, 512, 20)
    assert compare(face, known(1, 0, 0, 0), (512, 512), 20)[1] < 0.01
    assert compare(face, known(1, 0, 0.5, 0), (512, 512), 20)[1] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("portrait", PORTRAITS, ids=lambda portrait: portrait.name)
def test_the_committed_examples_are_what_the_script_makes(portrait) -> None:
    committed = read_image(FOLDER / f"{portrait.name}.png")
    assert committed.shape == (512, 512, 3)
    assert np.abs(make_face(portrait).astype(int) - committed).mean() < 1  # JPEG decoders differ by a level


@pytest.mark.parametrize("name", SAMPLES)
def test_the_committed_photographs_are_what_the_script_makes(name: str) -> None:
    file = TAB_PHOTOS / f"{name}.jpg"
    assert file.stat().st_size < 100_000
    assert np.abs(SAMPLES[name]().astype(int) - read_image(file)).mean() < 8  # by what JPEG leaves of the noise
