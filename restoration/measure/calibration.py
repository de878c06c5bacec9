"""What is known about a network's errors before it errs?  Figures from validation faces that travel with weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from restoration.images import InputError
from restoration.measure.uncertainty import FEATURES

KEY = "calibration"  # in training.json


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Measured by ``train/calibrate.py`` on faces that the network was not trained on.

    Args:
        weights: ``Restorer.fingerprint`` of the network that was measured.
        protocol, faces: under which degradations, on how many faces.
        coefficients, offset: of ``uncertainty.expected_error``, by feature.
        rank_correlation: Spearman's, of expected with true error within each face, the mean over faces; both are
            averages over the same small window. Each face was predicted by a fit to other faces.
        pixel_rank_correlation: the same against the error of single pixels.
        spread_rank_correlation: as ``rank_correlation``, of the plain spread of restorations.
        reliability: (expected, measured) mean error of tenths of all pixels, least to most unsure, grey levels.
        skin_difference: 95th percentile over faces of the skin's CIEDE2000 between restored and true.
        residual: 95th percentile over faces of the mean consistency residual, grey levels.

    Raises:
        InputError: a missing coefficient, or a number that is not finite.
    """

    weights: str
    protocol: str
    faces: int
    coefficients: Mapping[str, float]
    offset: float
    rank_correlation: float
    pixel_rank_correlation: float
    spread_rank_correlation: float
    reliability: tuple[tuple[float, float], ...]
    skin_difference: float
    residual: float

    def __post_init__(self) -> None:
        if set(self.coefficients) != set(FEATURES):
            raise InputError(
                f"A calibration has the coefficients {', '.join(FEATURES)}, not {list(self.coefficients)}."
            )
        numbers = (*self.coefficients.values(), self.offset, self.skin_difference, self.residual)
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in numbers):
            raise InputError("A calibration holds finite numbers only.")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return asdict(self)


def calibration_of(training: Mapping[str, Any], weights: str) -> Calibration | None:
    """The calibration among the facts that travel with weights.

    Args:
        training: the facts, as ``hub.Weights.training`` holds them.
        weights: fingerprint of the network that is loaded.

    Returns:
        None when its errors were not measured.

    Raises:
        InputError: damaged, or measured on other weights.
    """
    if KEY not in training:
        return None
    stored, known = training[KEY], {field.name for field in fields(Calibration)}
    if not isinstance(stored, Mapping) or set(stored) != known:
        raise InputError(f"The calibration of these weights must have the keys {', '.join(sorted(known))}.")
    calibration = Calibration(**{**stored, "reliability": tuple(map(tuple, stored["reliability"]))})
    if calibration.weights != weights:
        raise InputError("The calibration was measured on other weights. Repeat train/calibrate.py on these.")
    return calibration
