"""The package's public face on the embedded weights."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import EXAMPLES

from restoration import Degradation, InputError, Restorer, degrade_image, read_image
from restoration.degrade.protocols import PRESETS
from restoration.measure import psnr, ssim
from restoration.restorer import select_device, select_precision

FACES = {path.stem: read_image(path) for path in sorted(EXAMPLES.glob("*.png"))}


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer.from_pretrained()


@pytest.fixture(scope="module", params=["default", "permissive"])
def embedded(request: pytest.FixtureRequest) -> Restorer:
    return Restorer.from_pretrained(request.param)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("preset", PRESETS)
def test_restoration_is_closer_to_the_truth_than_its_input(embedded: Restorer, face: str, preset: str) -> None:
    truth = FACES[face]
    degraded = degrade_image(truth, PRESETS[preset].draw(0), seed=0)
    restored = embedded.restore_aligned(degraded)
    assert (restored.shape, restored.dtype) == (truth.shape, np.uint8)
    assert psnr(restored, truth) > psnr(degraded, truth)
    assert ssim(restored, truth) > ssim(degraded, truth)


@pytest.mark.parametrize("face", [*FACES, "flat grey"])
def test_no_regular_pattern_is_left(restorer: Restorer, face: str) -> None:
    """Power at a quarter and a half of the sampling rate, along rows and columns, beside that of its neighbours."""
    clean = FACES.get(face, np.full((512, 512, 3), 128, np.uint8))
    restored = restorer.restore_aligned(degrade_image(clean, Degradation(noise=15), seed=0)).mean(axis=2)
    window = np.hanning(512)
    power = np.square(np.abs(np.fft.fft2((restored - restored.mean()) * np.outer(window, window))))
    for line in (power.sum(axis=0), power.sum(axis=1)):
        for place in (128, 256):
            beside = [line[place + step] for step in (*range(-12, -3), *range(4, 13))]
            assert line[place - 1 : place + 2].mean() < 2 * np.mean(beside)


def test_black_and_white_stays_black_and_white_and_a_tone_its_tone(restorer: Restorer) -> None:
    settings = Degradation(blur_sigma=2, downsample=4, noise=8, jpeg=60, grayscale=True)
    grey = degrade_image(FACES["eileen_collins"], settings, seed=0)
    assert (grey == grey[..., :1]).all()
    toned = np.rint(grey * np.array([1.0, 0.85, 0.65])).astype(np.uint8)
    restored, restored_toned = restorer.restore_batch([grey, toned])
    assert (restored == restored[..., :1]).all()
    assert np.abs(restored_toned.mean(axis=(0, 1)) - toned.mean(axis=(0, 1))).max() < 1
    photo = restorer.restore(grey, centre=True).photo
    assert (photo == photo[..., :1]).all()


def test_wrong_images_are_refused(restorer: Restorer) -> None:
    face = FACES["grace_hopper"]
    sizes = [np.zeros(shape, np.uint8) for shape in ((63, 512, 3), (512, 512), (64, 2049, 3))]
    for wrong in ([], [face, face[:256]], [face / 255], *([size] for size in sizes)):
        with pytest.raises(InputError):
            restorer.restore_batch(wrong)
    with pytest.raises(InputError, match="head or parsing"):
        restorer.restore(face, mask="magic")  # type: ignore[arg-type]


def test_the_centred_square_is_taken_for_a_face_on_request(restorer: Restorer) -> None:
    photo = np.zeros((512, 900, 3), np.uint8)
    photo[:, 194:706] = FACES["grace_hopper"]
    result = restorer.restore(photo, centre=True)
    [face] = result.faces
    assert (result.detector, face.face.box) == ("centred square", (193.5, -0.5, 705.5, 511.5))
    np.testing.assert_array_equal(face.input_crop, FACES["grace_hopper"])
    np.testing.assert_array_equal(face.restored_crop, restorer.restore_aligned(face.input_crop))
    np.testing.assert_array_equal(result.photo[:, :190], photo[:, :190])
    assert (result.photo != photo).any()


def test_two_threads_do_not_disturb_each_other_and_inputs_are_not_modified(restorer: Restorer) -> None:
    faces = [face.copy() for face in FACES.values()]
    alone = [restorer.restore_aligned(face) for face in faces]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(restorer.restore_aligned, faces))
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(faces, list(FACES.values()))


def test_untrained_settings_are_flagged(restorer: Restorer) -> None:
    assert restorer.out_of_range(Degradation()) == []
    for preset in PRESETS.values():
        assert restorer.out_of_range(preset.draw(0)) == []
    flagged = restorer.out_of_range(Degradation(motion_length=64, noise=100, jpeg=1))
    assert all(any(word in line for line in flagged) for word in ("Motion", "noise", "JPEG"))


def test_a_lent_gpu_gives_the_same_faces(monkeypatch: pytest.MonkeyPatch, tiny_weights: Path) -> None:
    """``spaces.GPU`` runs the function in another process: what goes there and comes back is pickled."""
    calls = []

    def elsewhere(function):  # type: ignore[no-untyped-def]
        def call(*arguments):  # type: ignore[no-untyped-def]
            calls.append(function)
            return pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(arguments)))))

        return call

    restorer = Restorer.from_pretrained(tiny_weights)
    before = restorer.restore_aligned(FACES["grace_hopper"])
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=elsewhere))
    restorer.use_lent_gpu()  # on other hardware
    assert np.array_equal(restorer.restore_aligned(FACES["grace_hopper"]), before)
    assert len(calls) == 0
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    restorer.use_lent_gpu()
    assert np.array_equal(restorer.restore_aligned(FACES["grace_hopper"]), before)
    assert len(calls) == 1
    assert restorer.fingerprint == Restorer.from_pretrained(tiny_weights).fingerprint


def test_on_zerogpu_hardware_nothing_lies_on_a_gpu_between_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert select_device("auto").type == "cuda"
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert select_device("auto").type == "cpu"


def test_bfloat16_differs_by_a_grey_level_and_a_batch_is_what_single_faces_are(tiny_weights: Path) -> None:
    degraded = degrade_image(FACES["grace_hopper"], PRESETS["old_phone"].draw(0), seed=0)
    exact, coarse = (Restorer.from_pretrained(precision=precision) for precision in ("fp32", "bf16"))
    assert (exact.info["precision"], coarse.info["precision"]) == ("fp32", "bf16")
    difference = np.abs(exact.restore_aligned(degraded).astype(int) - coarse.restore_aligned(degraded))
    assert 0 < difference.mean() < 0.3
    assert difference.max() <= 3
    for restorer in (coarse, Restorer.from_pretrained(tiny_weights)):
        first, second = restorer.restore_batch([degraded, FACES["eileen_collins"]])
        assert np.abs(first.astype(int) - restorer.restore_aligned(degraded)).max() <= 1
        assert not np.array_equal(first, second)


def test_bfloat16_is_chosen_where_it_is_the_faster_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for features, expected in (({"amx_bf16": True}, "bf16"), ({"amx_bf16": False}, "fp32"), ({}, "fp32")):
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda known=features: known, raising=False)
        assert select_precision("auto", cpu) == expected
        assert select_precision("auto", gpu) == "fp32"
    with pytest.raises(InputError, match="auto, fp32, bf16, not 'fp16'"):
        Restorer.from_pretrained(precision="fp16")
