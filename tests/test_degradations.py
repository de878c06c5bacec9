"""Degradations: settings, noise, batches, the order of what happens to a face; distributions and presets."""

import math
import random
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from pictures import ASTRONAUT, ODD, max_error

from restoration.degrade import LIMITS, Degradation, degrade, degrade_image
from restoration.degrade.protocols import BLIND, IDENTITY, ORIGINAL, PRESETS, PROTOCOLS, TRAINING, Distribution, Mixture
from restoration.images import Image, InputError, to_tensor


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_defaults_are_the_identity_to_the_bit() -> None:
    noise = torch.rand(2, 3, 65, 70)  # not on the 8-bit grid: nothing may round it
    assert torch.equal(degrade(noise, [Degradation()] * 2, generators(0, 1)), noise)
    assert Degradation(motion_length=1, motion_angle=30, blur_angle=20).is_identity


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_allowed_and_work(name: str) -> None:
    for value in (LIMITS[name].low, LIMITS[name].high):
        settings = Degradation(**{name: int(value) if name == "jpeg" else value})
        assert degrade_image(ASTRONAUT[:80, 200:264], settings).shape == (80, 64, 3)


def test_wrong_settings_are_refused_by_name() -> None:
    for name, values in {
        "noise": (math.nan, math.inf, 10**400, -1, 101, "5", True, None),
        "jpeg": (0, 55.5),
        "kernel": ("lanczos", None),
        "grayscale": (1,),
        "downsample": (0,),
        "motion_angle": (181,),
    }.items():
        for value in values:
            with pytest.raises(InputError, match=name):
                Degradation(**{name: value})
    assert Degradation(noise=np.float32(3), jpeg=np.int64(50)) == Degradation(noise=3, jpeg=50)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\(0, 64, 3\)"):
        degrade_image(ASTRONAUT[:0, :64], Degradation(noise=3), np.int64(1))  # type: ignore[arg-type]


SATURATED = np.where(ASTRONAUT[:256, 128:384] > 110, 255, 0).astype(np.uint8)  # so that what clips shows its place
STEPS = {"motion_length": 3, "blur_sigma": 0.7, "noise": 20, "grayscale": True, "jpeg": 10}
ORDER = ("motion_length", "blur_sigma", "reduce", "noise", "grayscale", "jpeg", "enlarge")  # as the module says


def one_after_the_other(order: tuple[str, ...]) -> Image:
    """Every step by itself, rounded to 8 bits in between; the resampling by OpenCV."""
    image = SATURATED
    for name in order:
        if name == "reduce":
            image = cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
        elif name == "enlarge":
            image = cv2.resize(image, (256, 256), interpolation=cv2.INTER_LINEAR)
        else:
            image = degrade_image(image, Degradation(**{name: STEPS[name]}), seed=0)
    return image


def test_the_order_is_the_documented_one() -> None:
    result = degrade_image(SATURATED, Degradation(**STEPS, downsample=2), seed=0)

    def mean_error(order: tuple[str, ...]) -> float:
        return float(np.abs(result.astype(float) - one_after_the_other(order)).mean())

    assert mean_error(ORDER) < 0.3
    for first, second in pairwise(ORDER[1:]):  # the two blurs are linear: their order makes no difference
        swapped = [{first: second, second: first}.get(name, name) for name in ORDER]
        assert mean_error(tuple(swapped)) > 0.6, f"{second} before {first}"


def test_noise_has_the_moments_it_is_given() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    noise = degrade_image(grey, Degradation(noise=20), seed=3).astype(np.float64) - 128
    count = noise.size
    assert abs(noise.mean()) < 4 * 20 / math.sqrt(count)
    assert noise.std() == pytest.approx(math.sqrt(20**2 + 1 / 12), rel=4 / math.sqrt(2 * count))
    correlation = np.corrcoef(noise.reshape(-1, 3).T)
    assert np.abs(correlation - np.eye(3)).max() < 4 / math.sqrt(count / 3)  # channels are independent
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) / 400 < 4 / math.sqrt(count)  # so are neighbours


def test_monochrome_noise_is_monochrome() -> None:
    result = degrade_image(ODD, Degradation(noise=20, grayscale=True))
    assert (result == result[..., :1]).all()
    expected = cv2.cvtColor(ODD, cv2.COLOR_RGB2GRAY).astype(float)
    assert max_error(degrade_image(ODD, Degradation(grayscale=True))[..., 0], expected) <= 1


def test_seed_decides_the_picture() -> None:
    settings = Degradation(noise=10, downsample=2)
    assert np.array_equal(degrade_image(ODD, settings, seed=1), degrade_image(ODD, settings, seed=1))
    assert not np.array_equal(degrade_image(ODD, settings, seed=1), degrade_image(ODD, settings, seed=2))
    for wrong in (-1, 2**63, 1.5, None, True):
        with pytest.raises(InputError, match="seed"):
            degrade_image(ODD, settings, seed=wrong)  # type: ignore[arg-type]


def test_a_sample_does_not_depend_on_its_batch() -> None:
    settings = [
        Degradation(motion_length=11, motion_angle=20, downsample=3, noise=8, jpeg=70),
        Degradation(blur_sigma=2, noise=4),
        Degradation(),
        Degradation(downsample=7.3, kernel="bilinear", jpeg=30, grayscale=True),
        Degradation(blur_sigma=5, blur_sigma_y=1, downsample=0.8, kernel="bicubic", noise=12, jpeg=90),
    ]
    images = torch.cat([to_tensor(np.roll(ODD, 20 * i, axis=1)) for i in range(len(settings))])
    before = images.clone()
    together = degrade(images, settings, generators(*range(len(settings))))
    assert torch.equal(images, before)
    for i, one in enumerate(settings):
        assert torch.equal(degrade(images[i : i + 1], [one], generators(i))[0], together[i])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cpu_and_gpu_agree() -> None:
    settings = [Degradation(motion_length=15, blur_sigma=2, downsample=3, noise=8, jpeg=70)]
    cpu = degrade(to_tensor(ODD), settings, generators(0))
    gpu = degrade(to_tensor(ODD).cuda(), settings, generators(0)).cpu()
    assert float((cpu - gpu).abs().mean()) < 0.1 / 255


def draws(source: Distribution | Mixture, count: int) -> list[Degradation]:
    rng = random.Random(0)
    return [source.sample(rng) for _ in range(count)]


def test_blind_protocol_covers_its_published_ranges() -> None:
    drawn = draws(BLIND, 2000)
    published = {"blur_sigma": (0.1, 10), "downsample": (0.8, 8), "noise": (0, 20), "jpeg": (60, 100)}
    for name, (low, high) in published.items():
        values = np.array([getattr(one, name) for one in drawn], dtype=float)
        span = high - low
        assert low <= values.min() < low + 0.02 * span
        assert high - 0.02 * span < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * span)
    assert np.mean([one.blur_sigma_y is None for one in drawn]) == pytest.approx(0.5, abs=0.05)
    assert {(one.kernel, one.motion_length) for one in drawn} == {("bilinear", 0)}


def test_original_three_come_one_at_a_time() -> None:
    assert {(one.motion_length > 0) + (one.downsample > 1) + (one.noise > 0) for one in draws(ORIGINAL, 300)} == {1}


def test_distributions_and_mixtures_keep_their_shares_and_ranges() -> None:
    drawn = draws(Distribution(noise=(1, 2), jpeg=(50, 60), skip=0.25, grayscale=0.3), 2000)
    assert np.mean([one.noise > 0 for one in drawn]) == pytest.approx(0.75, abs=0.04)
    assert np.mean([one.grayscale for one in drawn]) == pytest.approx(0.3, abs=0.04)
    mixture = Mixture(((3, Distribution(noise=(1, 2))), (1, Distribution(noise=(5, 9), jpeg=(20, 30)))))
    assert np.mean([one.jpeg is None for one in draws(mixture, 2000)]) == pytest.approx(0.75, abs=0.04)
    assert mixture.ranges() == {"noise": (1, 9), "jpeg": (20, 30)}


@pytest.mark.parametrize("stage", TRAINING)
def test_training_covers_every_protocol_that_is_measured(stage: str) -> None:
    trained = TRAINING[stage].ranges()
    for name, protocol in PROTOCOLS.items():
        for setting, (low, high) in protocol.ranges().items():
            assert trained[setting][0] <= low, (name, setting)
            assert high <= trained[setting][1], (name, setting)
    assert trained["motion_length"][0] == {"face": 3, "detail": 1}[stage]  # which alone learns from slight ones
    assert IDENTITY.sample(random.Random(0)).is_identity


@pytest.mark.parametrize("key", PRESETS)
def test_presets_degrade_and_describe_themselves(key: str) -> None:
    preset = PRESETS[key]
    assert preset.label
    assert preset.description.endswith(".")
    assert not preset.draw(0).is_identity
    assert (preset.draw(0) != preset.draw(1)) == ("seed" in preset.description)
    assert preset.draw(7) == preset.draw(7)
