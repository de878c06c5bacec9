"""A face goes back to where it came from, to the pixel; nothing else changes; no border shows; what ParseNet leaves."""

import functools
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from facexlib.parsing.parsenet import ParseNet
from numpy.typing import NDArray

from examples.make_examples import PORTRAITS, Portrait
from restoration.cli.main import main
from restoration.degrade import Degradation, degrade_image
from restoration.faces import FACE_SIZE, align_face, download, face_to_photo, pasting, resample
from restoration.faces.pasting import TEXTURE_FADE, blend, enlarge, face_mask, fit_texture, make_patch
from restoration.images import Image, InputError, read_image, write_png
from restoration.restorer import Restorer

COLLINS, HOPPER = PORTRAITS
SETTINGS = (
    Degradation(),
    Degradation(jpeg=60),
    Degradation(blur_sigma=2),
    Degradation(noise=10),
    Degradation(blur_sigma=1.2, downsample=2, noise=8, jpeg=60),
)


def free(photo: Image) -> NDArray[np.uint8]:
    return np.zeros(photo.shape[:2], np.uint8)


def misplacement(image: NDArray[np.float64], reference: Image, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """By how many pixels ``image`` lies beside ``reference``: the least-squares shift that explains the difference."""
    levels = reference.astype(np.float64).mean(axis=2)
    down, across = np.gradient(levels)
    slopes = np.stack((across[inside], down[inside]), axis=1)
    shift, *_ = np.linalg.lstsq(slopes, (levels - image.mean(axis=2))[inside], rcond=None)
    return np.abs(shift)


def core(height: int, width: int) -> NDArray[np.bool_]:
    inside = np.zeros((height, width), bool)
    inside[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    return inside


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("portrait", PORTRAITS, ids=lambda portrait: portrait.name)
def test_out_and_back_neither_shifts_nor_changes_the_face(portrait, scale: int) -> None:
    """facexlib's ``paste_faces_to_input_image`` adds 0.5 s for 0.5 (s - 1): half a pixel at every scale."""
    left, top = (np.mean(portrait.landmarks, axis=0) - 150).clip(min=0).astype(int)
    photo, landmarks = portrait.read()[top : top + 300, left : left + 300], np.subtract(portrait.landmarks, (left, top))
    photo = np.ascontiguousarray(photo)
    base, face = enlarge(photo, scale), align_face(photo, landmarks)
    # The bare warp, nothing added: resampling twice may soften, but must not move anything.
    place = face_to_photo(landmarks, scale)
    height, width = base.shape[:2]
    drawn = resample(face, place, width, height)
    middle = place @ (255.5, 300, 1)
    y, x = np.mgrid[0:height, 0:width]
    inside = np.hypot(x - middle[0], y - middle[1]) < 90 * np.hypot(*place[:, 0])
    assert misplacement(drawn, base, inside).max() < 0.01
    wrong = np.roll(drawn, 1, axis=1) / 2 + drawn / 2  # half a pixel to the right, as the measure must see it
    assert misplacement(wrong, base, inside)[0] > 0.4
    # The whole way back: exact.
    patch = make_patch(base, face, face, landmarks, scale=scale, taken=free(base))
    np.testing.assert_array_equal(blend(base, [patch], [1.0]), base)


def test_a_face_larger_than_its_crop_keeps_the_detail_that_the_crop_could_not_hold() -> None:
    landmarks = (np.array(HOPPER.landmarks) + 0.5) * 3 - 0.5  # 251 pixels between the eyes; 126 in the crop
    photo = cv2.resize(HOPPER.read(), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(0)
    photo = np.clip(photo + rng.normal(0, 3, photo.shape), 0, 255).astype(np.uint8)
    face = align_face(photo, landmarks)
    brighter = np.clip(face.astype(int) + (face > 128) * 4, 0, 255).astype(np.uint8)
    patch = make_patch(photo, face, brighter, landmarks, scale=1, taken=free(photo))
    inside = core(*patch.pixels.shape[:2])
    fine = [image - cv2.GaussianBlur(image, (0, 0), 1) for image in (patch.pixels / 255.0, patch.region(photo) / 255.0)]
    assert np.corrcoef(fine[0][inside].ravel(), fine[1][inside].ravel())[0, 1] > 0.95


def test_noise_that_the_network_removed_does_not_come_back() -> None:
    truth = HOPPER.read()
    noisy = np.clip(truth + np.random.default_rng(0).normal(0, 20, truth.shape), 0, 255).astype(np.uint8)
    clean_face, face = align_face(truth, HOPPER.landmarks), align_face(noisy, HOPPER.landmarks)
    patch = make_patch(noisy, face, clean_face, HOPPER.landmarks, scale=1, taken=free(noisy))
    inside = core(*patch.pixels.shape[:2])
    left = (patch.pixels.astype(float) - patch.region(truth))[inside].std()
    assert left < 0.25 * (patch.region(noisy).astype(float) - patch.region(truth))[inside].std()


def test_the_rest_of_the_photo_is_bit_identical_and_strength_a_straight_line() -> None:
    photo = COLLINS.read()
    face = align_face(photo, COLLINS.landmarks)
    patch = make_patch(photo, face, 255 - face, COLLINS.landmarks, scale=1, taken=free(photo))
    whole, half, none = (blend(photo, [patch], [strength]) for strength in (1.0, 0.5, 0.0))
    changed = (whole != photo).any(axis=2)
    y, x = np.nonzero(changed)
    inverse = np.linalg.inv(np.vstack((face_to_photo(COLLINS.landmarks), (0, 0, 1))))
    u, v = (inverse @ np.stack((x, y, np.ones_like(x))))[:2]
    assert ((u > -1) & (u < FACE_SIZE) & (v > -1) & (v < FACE_SIZE)).all()
    assert 0.02 < changed.mean() < 0.25
    np.testing.assert_array_equal(none, photo)
    assert np.abs(half - (whole.astype(float) + photo) / 2).max() <= 0.5
    np.testing.assert_array_equal(blend(photo, [patch], [np.float32(0.5)]), half)
    for wrong in ([], [0.5, 0.5], [1.01], [float("nan")], [True], ["1"]):
        with pytest.raises(InputError):
            blend(photo, [patch], wrong)


def test_two_faces_that_overlap_share_their_pixels() -> None:
    photo = HOPPER.read()
    points = [np.add(HOPPER.landmarks, shift) for shift in ((0, 0), (60, 10))]
    taken, patches = free(photo), []
    for landmarks in points:
        face = align_face(photo, landmarks)
        brighter = np.minimum(face.astype(int) + 40, 255).astype(np.uint8)
        patches.append(make_patch(photo, face, brighter, landmarks, scale=1, taken=taken))
    together = blend(photo, patches, [1.0, 1.0]).astype(int) - photo
    assert together.max() <= 42  # and not 80 where both lie


def test_the_colour_of_the_surroundings_is_kept() -> None:
    face = align_face(HOPPER.read(), HOPPER.landmarks)
    tinted = np.clip(face * np.array([1.1, 1.0, 0.85]), 0, 255).astype(np.uint8)
    matched = pasting.match_colour(tinted, face)
    inside = face_mask()[..., 0] > 0
    before, after = (np.abs((image.astype(float) - face)[inside].mean(axis=0)).max() for image in (tinted, matched))
    assert after < 1 < 8 < before


def border_energy(
    photo: Image, pasted: Image, landmarks: NDArray[np.float64], face: NDArray[np.uint8]
) -> tuple[float, float]:
    """Gradient energy where a mask rises from 10 to 90 %, as shares of two things that a seam would exceed.

    With m the mask, P the photo and T the restored face, the result's gradient is m ∇T + (1 - m) ∇P + (T - P) ∇m. The
    last term is the seam: it is no gradient of either picture.

    Returns:
        energy of the pasted picture / the same without the seam's term, and / that of the photo, whose surroundings of
        the mask are the pasted picture's, too.
    """
    height, width = photo.shape[:2]
    drawn = resample(face, face_to_photo(landmarks), width, height)
    mask = drawn[..., 0] / 255
    border = (mask > 0.1) & (mask < 0.9)
    border[:2] = border[-2:] = border[:, :2] = border[:, -2:] = False
    assert border.sum() > 300
    before, after = photo.astype(np.float64).mean(axis=2), pasted.astype(np.float64).mean(axis=2)
    seam = (after - before) / np.maximum(mask, 0.1) * np.gradient(mask)
    gradient = np.array(np.gradient(after))
    energies = [(g**2).sum(axis=0)[border].mean() for g in (gradient, gradient - seam, np.array(np.gradient(before)))]
    return float(energies[0] / energies[1]), float(energies[0] / energies[2])


def clouds(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """(H, W, 3) uint8: hardly coloured noise of several octaves, from a blurred wall to rough plaster."""
    result, falloff = np.zeros((*size, 3), np.float32), rng.uniform(0.3, 0.9)
    for side in (3, 5, 9, 17, 33, 65, 129):
        noise = rng.normal(0, falloff ** np.log2((side - 1) / 2), (side, side, 3)).astype(np.float32)
        result += cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)
    result = result.mean(axis=2, keepdims=True) + 0.3 * result
    return np.clip(result * rng.uniform(10, 70) + rng.uniform(30, 225, 3), 0, 255).astype(np.uint8)


def before_a_wall(portrait: Portrait, eyes: float, seed: int) -> tuple[Image, NDArray[np.float64]]:
    """The true head before a drawn wall, and its landmarks, ``eyes`` pixels between the eyes."""
    photo, landmarks = portrait.read(), np.array(portrait.landmarks)
    scale = eyes / np.linalg.norm(landmarks[1] - landmarks[0])
    photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    landmarks = (landmarks + 0.5) * scale - 0.5
    scene = clouds(photo.shape[:2], np.random.default_rng(seed))
    y, x = np.mgrid[0 : scene.shape[0], 0 : scene.shape[1]]
    middle = landmarks.mean(axis=0)
    head = np.clip((1.5 - np.hypot(x - middle[0], y - middle[1]) / eyes) / 0.2, 0, 1)[..., None]
    return np.rint(scene + head * (photo.astype(float) - scene)).astype(np.uint8), landmarks


@pytest.mark.parametrize(
    ("portrait", "eyes"), [(COLLINS, 20), (COLLINS, 40), (HOPPER, 60)], ids=["small", "medium", "large"]
)
def test_no_seam_shows_on_composed_scenes(portrait: Portrait, eyes: int) -> None:
    """On the border of the mask, gradient energy is that of the photo around it to 5 %, whether the network sharpens
    (all but noise) or smooths (noise); and where the texture changes further inside, no step adds to it."""
    restorer = Restorer.from_pretrained()
    truth, landmarks = before_a_wall(portrait, eyes, seed=1)
    for settings in SETTINGS:
        photo = degrade_image(truth, settings, seed=0)
        face = align_face(photo, landmarks)
        patch = make_patch(photo, face, restorer.restore_aligned(face), landmarks, scale=1, taken=free(photo))
        pasted = blend(photo, [patch], [1.0])
        seam, texture = border_energy(photo, pasted, landmarks, face_mask())
        assert abs(seam - 1) < 0.05, settings
        assert abs(texture - 1) < 0.05, settings
        assert abs(border_energy(photo, pasted, landmarks, face_mask(TEXTURE_FADE))[0] - 1) < 0.05, settings


def test_the_measure_of_a_seam_sees_one() -> None:
    photo = clouds((600, 512), np.random.default_rng(1))
    mask = resample(face_mask(), face_to_photo(HOPPER.landmarks), *photo.shape[1::-1])
    brighter = np.clip(np.rint(photo + 10.0 * (mask > 128)), 0, 255).astype(np.uint8)  # a hard edge, 10 levels high
    assert border_energy(photo, brighter, np.array(HOPPER.landmarks), face_mask())[1] > 1.05


def halves(pixels: torch.Tensor) -> tuple[torch.Tensor]:
    """In place of a network: bright pixels are background, dark ones skin."""
    return (torch.cat((pixels[:, :1], -pixels[:, :1]), dim=1),)


def test_the_middle_of_a_face_is_the_network_s_own_and_what_is_no_face_keeps_the_photo_s_texture() -> None:
    picture = np.zeros((512, 512, 3), np.uint8)
    picture[:, 256:] = 255
    parts = pasting.face_parts(picture, halves)
    assert parts.shape == (512, 512, 1)
    assert 0 not in pasting.FACE_CLASSES
    assert (parts[:, :200] == 255).all()
    assert (parts[:, 312:] == 0).all()
    original = align_face(HOPPER.read(), HOPPER.landmarks)
    restored = np.random.default_rng(0).integers(0, 256, original.shape, np.uint8)
    whole, partly, nothing = (fit_texture(restored, original, p) for p in (None, parts, np.zeros_like(parts)))
    slow = cv2.GaussianBlur(restored.astype(np.float32) - original, (0, 0), 24, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(nothing - np.clip(original + slow, 0, 255)).max() <= 0.5 + 1e-3
    inner, outer = face_mask(TEXTURE_FADE)[..., 0] == 255, face_mask(TEXTURE_FADE)[..., 0] == 0
    assert inner[200:400, 160:350].all()  # brows to below the mouth
    assert (face_mask()[outer] < 255).mean() > 0.8
    here, away = inner & (parts[..., 0] == 255), outer | (parts[..., 0] == 0)
    np.testing.assert_array_equal(whole[inner], restored[inner])
    np.testing.assert_array_equal(whole[outer], nothing[outer])
    np.testing.assert_array_equal(partly[here], restored[here])
    np.testing.assert_array_equal(partly[away], nothing[away])


def test_the_command_masks_by_parsing(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(HOPPER.read()[100:420, 100:420], tmp_path / "in.png")
    command = ["restore", str(tmp_path / "in.png"), "--weights", str(tiny_weights), "--detector", "embedded"]
    pasting.load_parser.cache_clear()
    monkeypatch.setattr(download, "CACHE", tmp_path)
    monkeypatch.setattr(pasting, "URL", "http://127.0.0.1:9/parsing_parsenet.pth")  # nothing listens there
    assert main([*command, str(tmp_path / "no.png"), "--mask", "parsing"]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    path = tmp_path / "parsing_parsenet.pth"
    few_channels = functools.partial(ParseNet, base_ch=8, res_depth=1, ch_range=[8, 16])  # as published it takes 10 s
    monkeypatch.setattr("facexlib.parsing.parsenet.ParseNet", few_channels)
    network = few_channels(in_size=512, out_size=512, parsing_ch=19)
    torch.save({key: torch.zeros_like(value) for key, value in network.state_dict().items()}, path)  # all background
    monkeypatch.setattr(pasting, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    assert main([*command, str(tmp_path / "head.png")]) == 0
    assert main([*command, str(tmp_path / "parsed.png"), "--mask", "parsing"]) == 0
    photo, head, parsed = (read_image(tmp_path / name) for name in ("in.png", "head.png", "parsed.png"))
    assert 0 < np.abs(parsed.astype(int) - photo).sum() < 0.9 * np.abs(head.astype(int) - photo).sum()
    pasting.load_parser.cache_clear()
