"""What restoration changed in a face, and what of it can be trusted: maps, errors by region, warnings.

Convention:
    - every face is aligned, (512, 512, 3) uint8 RGB; differences are signed, in 8-bit grey levels
    - a region is a (512, 512) bool mask over an aligned face; the four do not overlap and leave most of the picture out
    - skin is the cheeks: no brow, hair, glasses' upper rim or beard there on most faces
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor

from restoration.degrade import Degradation, degrade_image
from restoration.faces import FACE_SIZE, FACE_TEMPLATE
from restoration.images import Image, to_tensor
from restoration.measure import uncertainty
from restoration.measure.identity import IdentityNetwork, Verdict, check_aligned, judge
from restoration.measure.uncertainty import Calibration, Map

Difference = NDArray[np.int16]  # (512, 512, 3)
NOTICEABLE_LEVELS = 0.5  # grey levels; a region is not called worse for less


@dataclass(frozen=True, kw_only=True)
class Region:
    """Mean absolute errors in grey levels, None is not known: foretold of the restored face, and measured of both."""

    name: str
    expected: float | None
    degraded: float | None
    restored: float | None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Angles of one network to the true face, degrees, and what they mean."""

    network: str
    degraded: float
    restored: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What is known about one restoration.

    Args:
        change: restored minus degraded.
        uncertainty: (512, 512) >= 0: the expected error in grey levels where ``calibrated``, that is, where the errors
            of these weights were measured; else the plain spread of restorations, which says where and not how much.
        residual: the restored face, degraded again by the same recipe and seed, minus the degraded one; None where the
            recipe is not known.
        error: restored minus true; None without the truth. So are ``identity`` and ``skin``.
        regions: eyes, nose, mouth, skin and the whole picture.
        skin: CIEDE2000 over the skin between restored and true face.
        warnings: what a visitor should know, plain text.
    """

    change: Difference
    uncertainty: Map
    calibrated: bool
    residual: Difference | None
    error: Difference | None
    regions: tuple[Region, ...]
    identity: Identity | None
    skin: float | None
    warnings: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Everything but the maps, ready for JSON: errors are means in grey levels, angles are in degrees."""
        person, angles = self.identity, dict[str, Any]()
        if person:
            angles = {"network": person.network, "degraded_deg": person.degraded, "restored_deg": person.restored}
            angles["verdict"] = person.verdict.text
        return {
            "regions": {r.name: {k: v for k, v in asdict(r).items() if k != "name"} for r in self.regions},
            "change": float(np.abs(self.change).mean()),
            "residual": None if self.residual is None else float(np.abs(self.residual).mean()),
            "identity": angles or None,
            "skin_delta_e2000": self.skin,
            "calibrated": self.calibrated,
            "warnings": self.warnings,
        }


def examine(
    degraded: Image,
    restored: Image,
    network: Callable[[Tensor], Tensor],
    calibration: Calibration | None,
    *,
    truth: Image | None = None,
    recipe: tuple[Degradation, int] | None = None,
    identity: IdentityNetwork | None = None,
) -> Examination:
    """Look closely at one restoration; the network runs once, on a batch of eight. InputError: faces of another size.

    Args:
        degraded, restored: what the network was given and what it gave. Not modified.
        network, calibration: ``restore_tensor`` and ``calibration`` of a ``Restorer``.
        truth: the clean face, if it is known.
        recipe: the degradation and the seed that made ``degraded``, if they are known.
        identity: measures identity angles where the truth is known.
    """
    names = region_errors(degraded, restored)  # which checks the sizes
    before, after = ({} if truth is None else region_errors(face, truth) for face in (degraded, restored))
    face = to_tensor(degraded)
    features = uncertainty.uncertainty_features(face, uncertainty.perturbed_restorations(face, network))
    unsure, expected = features["spread"], dict[str, float]()
    if calibration:
        unsure = uncertainty.expected_error(features, calibration.coefficients, calibration.offset)
        expected = _region_means(unsure)
    person = None
    if truth is not None and identity is not None:
        angles = identity.angle(degraded, truth), identity.angle(restored, truth)
        verdict = judge(*angles, identity.bands)
        person = Identity(network=identity.name, degraded=angles[0], restored=angles[1], verdict=verdict)
    seen = Examination(
        change=difference(restored, degraded),
        uncertainty=unsure,
        calibrated=calibration is not None,
        residual=None if recipe is None else difference(degrade_image(restored, *recipe), degraded),
        error=None if truth is None else difference(restored, truth),
        regions=tuple(
            Region(name=name, expected=expected.get(name), degraded=before.get(name), restored=after.get(name))
            for name in names
        ),
        identity=person,
        skin=None if truth is None else skin_colour_difference(restored, truth),
    )
    seen.warnings.extend(_warnings(seen, calibration))
    return seen


def difference(image: Image, reference: Image) -> Difference:
    """``image`` minus ``reference``, both of one size, signed grey levels."""
    return image.astype(np.int16) - reference.astype(np.int16)


def _warnings(seen: Examination, calibration: Calibration | None) -> Iterator[str]:
    if seen.identity is not None and seen.identity.verdict.warning:
        yield seen.identity.verdict.warning
    for region in seen.regions:
        before, after = region.degraded, region.restored
        if before is not None and after is not None and after > before + NOTICEABLE_LEVELS:
            yield f"Restoration made the {region.name} worse: {after:.1f} grey levels off, not {before:.1f}."
    if calibration is None:
        yield "The errors of these weights were not measured: uncertainty shows where, not how much."
        return
    if seen.skin is not None and seen.skin > calibration.skin_difference:
        yield (
            f"The colour of the skin changed: ΔE2000 {seen.skin:.1f}, more than on 95 % of the validation faces "
            f"({calibration.skin_difference:.1f})."
        )
    if seen.residual is not None and (mean := float(np.abs(seen.residual).mean())) > calibration.residual:
        yield (
            f"Degraded again, the restored face is {mean:.1f} grey levels from the photo, more than on 95 % of the "
            f"validation faces ({calibration.residual:.1f}): it does not explain what was seen."
        )


REGIONS = ("eyes", "nose", "mouth", "skin")
WHOLE = "whole picture"


@functools.cache
def region_masks() -> dict[str, NDArray[np.bool_]]:
    """The masks by the names in ``REGIONS``. Not to be modified."""
    left_eye, right_eye, nose, left_mouth, right_mouth = FACE_TEMPLATE
    unit = float(np.linalg.norm(right_eye - left_eye))
    eye_line, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    eyes = _ellipse(left_eye, 0.36 * unit, 0.24 * unit) | _ellipse(right_eye, 0.36 * unit, 0.24 * unit)
    lips = _ellipse(mouth, 0.62 * unit, 0.27 * unit)
    bridge = (eye_line + 2 * nose) / 3 + (0, 0.08 * unit)
    snout = _ellipse(bridge, 0.3 * unit, 0.48 * unit)
    rows = np.arange(FACE_SIZE)[:, None]
    below_eyes, above_chin = rows > eye_line[1] + 0.26 * unit, rows < mouth[1] + 0.1 * unit
    oval = _ellipse((eye_line + mouth) / 2, 0.86 * unit, 0.98 * unit)
    features = _ellipse(mouth, 0.68 * unit, 0.33 * unit) | snout | eyes
    skin = oval & below_eyes & above_chin & ~features
    return {"eyes": eyes, "nose": snout & ~eyes & ~lips, "mouth": lips, "skin": skin}


def region_errors(image: Image, truth: Image) -> dict[str, float]:
    """Mean absolute difference of two aligned faces, [0, 255], by the names of ``REGIONS`` and ``WHOLE``."""
    check_aligned(image, truth)
    return _region_means(np.abs(difference(image, truth)).mean(axis=2))


def _region_means(values: NDArray[np.floating]) -> dict[str, float]:
    means = {name: float(values[mask].mean()) for name, mask in region_masks().items()}
    return {**means, WHOLE: float(values.mean())}


def skin_colour_difference(image: Image, truth: Image) -> float:
    """Mean CIEDE2000 over the skin of two aligned faces: 1 is just visible side by side, 5 at a glance.

    sRGB, D65, 2 degree observer; each pixel with its counterpart, so lost texture counts as well as tint. Source:
    Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", Color Research and Application 30(1), 2005.
    """
    check_aligned(image, truth)
    mask = region_masks()["skin"]
    return float(deltaE_ciede2000(rgb2lab(image[mask]), rgb2lab(truth[mask])).mean())


def skin_lightness(image: Image) -> float:
    """Median CIELAB L* of an aligned face's skin, [0, 100]. It depends on the light as well."""
    check_aligned(image)
    return float(np.median(rgb2lab(image[region_masks()["skin"]])[:, 0]))


def _ellipse(centre: ArrayLike, across: float, down: float) -> NDArray[np.bool_]:
    """(512, 512): inside the ellipse about (x, y) with these half-axes, pixels."""
    x, y = np.asarray(centre, np.float64)
    rows, columns = np.mgrid[:FACE_SIZE, :FACE_SIZE]
    inside: NDArray[np.bool_] = ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1
    return inside
