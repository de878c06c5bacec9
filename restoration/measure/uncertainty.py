"""Uncertainty: the spread of restorations over slightly changed inputs, and the error that it foretells.

    error = exp(offset + sum_k weight_k log(feature_k + 0.5)) - 0.5,   grey levels

The features are four maps in grey levels: the spread of eight restorations, the detail of the restored and of the
degraded face, and how far the restoration moved each pixel. The weights are fitted to true errors on validation faces
(``train/calibrate.py``) and travel with the network's weights; the spread alone ranks errors less well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from restoration.images import InputError

Map = NDArray[np.float32]  # (H, W)
KEY = "calibration"  # in training.json
FEATURES = ("spread", "detail", "input detail", "change")
PASSES = 8
WINDOW = 4.0  # pixels, sigma: an error is a matter of its neighbourhood
_FLOOR = 0.5  # grey levels
_SHIFT = 0.5  # pixels, largest
_NOISE = (0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 5.0, 5.0)  # grey levels, of each pass


def perturbed_restorations(face: Tensor, network: Callable[[Tensor], Tensor]) -> Tensor:
    """Restore one degraded face, (1, 3, H, W) float32 in [0, 1], eight times in one batch, each time a little changed,
    and undo the change: (8, 3, H, W) float32 in [0, 1], all in the place of the input.

    Pass 0 is the plain restoration, and every second one is mirrored; from the third on they are shifted by up to half
    a pixel (bicubic, mirrored border), and half of all carry white noise. The same face gives the same passes.
    """
    generator = torch.Generator().manual_seed(0)
    shifts = (2 * torch.rand(PASSES, 2, generator=generator) - 1) * _SHIFT
    shifts[:2] = 0
    noise = torch.randn(PASSES, *face.shape[1:], generator=generator)
    inputs = _shift(face.expand(PASSES, -1, -1, -1), shifts) + noise * torch.tensor(_NOISE)[:, None, None, None] / 255
    inputs = inputs.clamp(0, 1)
    inputs[1::2] = inputs[1::2].flip(-1)
    outputs = network(inputs).clamp(0, 1)
    outputs[1::2] = outputs[1::2].flip(-1)
    return _shift(outputs, -shifts).clamp(0, 1)


def _shift(images: Tensor, pixels: Tensor) -> Tensor:
    """Image b read at (x, y) + ``pixels[b]``; an image that does not move comes back as it is."""
    matrix = torch.eye(2, 3).repeat(len(images), 1, 1)
    matrix[:, :, 2] = 2 * pixels / torch.tensor([images.shape[-1], images.shape[-2]])
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    still = (pixels == 0).all(dim=1)
    return torch.where(still[:, None, None, None], images, moved)


def uncertainty_features(face: Tensor, restorations: Tensor) -> dict[str, Map]:
    """Of a (1, 3, H, W) degraded face what its expected error is made of: ``FEATURES`` to maps in grey levels."""
    restored = restorations[:1]
    maps = {
        "spread": restorations.var(dim=0, unbiased=True, keepdim=True),
        "detail": _squared_gradient(restored),
        "input detail": _squared_gradient(face),
        "change": (restored - face).square(),
    }
    return {name: smooth(255 * value.mean(dim=1).sqrt()[0].numpy(), WINDOW) for name, value in maps.items()}


def _squared_gradient(images: Tensor) -> Tensor:
    rows, columns = torch.gradient(images, dim=(-2, -1))
    return rows.square() + columns.square()


def expected_error(features: Mapping[str, Map], weights: Mapping[str, float], offset: float) -> Map:
    """(H, W) grey levels, >= 0: the formula at the top of this file."""
    log = sum(weights[name] * log_feature(features[name]) for name in FEATURES) + offset
    return np.maximum(np.exp(log) - _FLOOR, 0).astype(np.float32)


def log_feature(values: Map) -> NDArray[np.float64]:
    """Grey levels to the scale on which features and errors are fitted to each other."""
    return np.log(values.astype(np.float64) + _FLOOR)


def smooth(values: Map, sigma: float) -> Map:
    """Average over a Gaussian window of ``sigma`` pixels; the border is mirrored."""
    blurred: Map = cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return blurred


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Measured by ``train/calibrate.py`` on faces that the network was not trained on. InputError: a coefficient is
    missing, or a number not finite.

    Args:
        weights: ``Restorer.fingerprint`` of the network that was measured.
        protocol, faces: under which degradations, on how many faces.
        coefficients, offset: of ``expected_error``, by feature.
        rank_correlation: Spearman's, of expected with true error within each face, the mean over faces; both are
            averages over the same small window. Each face was predicted by a fit to other faces. Beside it against the
            error of single pixels, and of the plain spread of restorations.
        reliability: (expected, measured) mean error of tenths of all pixels, least to most unsure, grey levels.
        skin_difference, residual: 95th percentile over faces of the skin's CIEDE2000 between restored and true, and of
            the mean consistency residual, grey levels.
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
        numbers = (*self.coefficients.values(), self.offset, self.skin_difference, self.residual)
        finite = all(isinstance(value, (int, float)) and abs(value) < 1e12 for value in numbers)
        if set(self.coefficients) != set(FEATURES) or not finite:
            raise InputError(f"A calibration has finite numbers alone, and the coefficients {', '.join(FEATURES)}.")


def calibration_of(training: Mapping[str, Any], weights: str) -> Calibration | None:
    """The calibration in a ``training.json``, or None. InputError: damaged, or not of weights of this fingerprint."""
    if KEY not in training:
        return None
    stored = training[KEY]
    try:
        calibration = Calibration(**{**stored, "reliability": tuple(map(tuple, stored["reliability"]))})
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"The calibration of these weights is damaged ({error}). Repeat python -m train.calibrate."
        ) from error
    if calibration.weights != weights:
        raise InputError("The calibration was measured on other weights. Repeat python -m train.calibrate on these.")
    return calibration
