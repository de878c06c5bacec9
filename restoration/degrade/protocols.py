"""Distributions of degradations to train and measure with, and presets to try."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restoration.degrade import Degradation, Kernel

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A distribution over settings: every range is drawn from uniformly, None is off.

    Args:
        motion_length: pixels; the angle is uniform over 180°.
        blur_sigma: pixels; ``anisotropic`` is the share of draws with a second sigma and an angle of their own.
        grayscale: share of draws that are monochrome, [0, 1].
        skip: chance of leaving out each of the ranges, independently, [0, 1].
    """

    motion_length: Range | None = None
    blur_sigma: Range | None = None
    anisotropic: float = 0.5
    downsample: Range | None = None
    kernel: Kernel = "bilinear"
    noise: Range | None = None
    jpeg: Range | None = None
    grayscale: float = 0.0
    skip: float = 0.0

    def ranges(self) -> dict[str, Range]:
        """The ranges that are in use, by the name of the setting."""
        names = ("motion_length", "blur_sigma", "downsample", "noise", "jpeg")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def sample(self, rng: random.Random) -> Degradation:
        """One draw; ``rng`` is the source of all randomness."""
        kept = ((name, span) for name, span in self.ranges().items() if rng.random() >= self.skip)
        drawn: dict[str, Any] = {name: rng.uniform(*span) for name, span in kept}
        motion_angle, blur_angle = rng.uniform(-90, 90), rng.uniform(-90, 90)
        second = rng.uniform(*(self.blur_sigma or (0, 0)))
        both = "blur_sigma" in drawn and rng.random() < self.anisotropic
        drawn |= {"motion_angle": motion_angle} if "motion_length" in drawn else {}
        drawn |= {"blur_sigma_y": second, "blur_angle": blur_angle} if both else {}
        drawn |= {"jpeg": round(drawn["jpeg"])} if "jpeg" in drawn else {}
        return Degradation(**drawn, kernel=self.kernel, grayscale=rng.random() < self.grayscale)


@dataclass(frozen=True)
class Mixture:
    """Several protocols, each with the share of draws that it gets (shares need not sum to 1)."""

    parts: tuple[tuple[float, Distribution], ...]

    def sample(self, rng: random.Random) -> Degradation:
        """Choose a protocol by its share, then one draw of it."""
        chosen = rng.choices([part for _, part in self.parts], [share for share, _ in self.parts])[0]
        return chosen.sample(rng)

    def ranges(self) -> dict[str, Range]:
        """Smallest and largest value of every setting over all parts."""
        result: dict[str, Range] = {}
        for _, part in self.parts:
            for name, (low, high) in part.ranges().items():
                seen = result.get(name, (low, high))
                result[name] = min(seen[0], low), max(seen[1], high)
        return result


IDENTITY = Distribution()
# The blind protocol of GFPGAN (Wang et al., 2021), which VQFR and RestoreFormer share.
BLIND = Distribution(blur_sigma=(0.1, 10), downsample=(0.8, 8), noise=(0, 20), jpeg=(60, 100))
# DifFace (Yue and Loy, 2022); PMRF and ResShift share it.
HEAVY = Distribution(blur_sigma=(0.1, 15), downsample=(0.8, 32), noise=(0, 20), jpeg=(30, 100))
# The three degradations of the project that this one grew from: one at a time, and all in a row.
ORIGINAL_MOTION = Distribution(motion_length=(9, 31))
ORIGINAL_LOWRES = Distribution(downsample=(2, 8))
ORIGINAL_NOISE = Distribution(noise=(2, 25))
ORIGINAL = Mixture(((1, ORIGINAL_MOTION), (1, ORIGINAL_LOWRES), (1, ORIGINAL_NOISE)))
ORIGINAL_ALL = Distribution(motion_length=(9, 31), downsample=(2, 8), noise=(2, 25))

PROTOCOLS: dict[str, Distribution | Mixture] = {
    "blind": BLIND,
    "heavy": HEAVY,
    "original": ORIGINAL,
    "original_motion": ORIGINAL_MOTION,
    "original_lowres": ORIGINAL_LOWRES,
    "original_noise": ORIGINAL_NOISE,
    "original_all": ORIGINAL_ALL,
    "undegraded": IDENTITY,
}

# What real photos bring beyond the protocols.
WIDE = Distribution(
    motion_length=(3, 41), blur_sigma=(0.2, 8), downsample=(1, 16), kernel="area", noise=(1, 50), jpeg=(20, 95),
    grayscale=0.1, skip=0.5,
)  # fmt: skip
# One at a time, and further than the original project went.
_ALONE = (Distribution(downsample=(2, 20)), Distribution(noise=(1, 50)), Distribution(jpeg=(20, 98)))
_SLIGHT = (  # one at a time, of faces that are nearly clean and must not become worse
    Distribution(motion_length=(1, 9)), Distribution(blur_sigma=(0.2, 2)), Distribution(downsample=(1, 2.5)),
    Distribution(noise=(0.3, 5)), Distribution(jpeg=(85, 100)),
)  # fmt: skip
_LEARNT = (BLIND, HEAVY, ORIGINAL_MOTION, ORIGINAL_LOWRES, ORIGINAL_NOISE, ORIGINAL_ALL, WIDE, IDENTITY, *_ALONE)
# What each stage of the default weights learns from, as shares of these. The face stage is there for faces that hold
# little; the detail stage needs many examples of each single degradation to gain as much as it can, slight ones too.
TRAINING: dict[str, Mixture] = {
    "face": Mixture(tuple(zip((5, 6, 1.5, 1, 0.3, 2, 2, 0.2, 0.5, 0.2, 0.2), _LEARNT, strict=True))),
    "detail": Mixture(tuple(zip((6, 1.5, 4, 2, 2, 2, 1, 0.3, 1, 1, 1, *[0.5] * 5), _LEARNT + _SLIGHT, strict=True))),
}


@dataclass(frozen=True)
class Preset:
    """A degradation that people recognise: fixed settings, or a distribution from which the seed draws them."""

    label: str
    description: str
    source: Degradation | Distribution | Mixture

    def draw(self, seed: int) -> Degradation:
        """The settings that this seed gives."""
        return self.source if isinstance(self.source, Degradation) else self.source.sample(random.Random(seed))


def _read_presets() -> dict[str, Preset]:
    """In the file ``degradation`` holds settings, or names one of ``PROTOCOLS``."""
    stored = json.loads((Path(__file__).parent / "presets.json").read_text(encoding="utf-8"))
    sources = {key: one["degradation"] for key, one in stored.items()}
    made = {key: PROTOCOLS[x] if isinstance(x, str) else Degradation(**x) for key, x in sources.items()}
    return {key: Preset(one["label"], one["description"], made[key]) for key, one in stored.items()}


PRESETS = _read_presets()
