"""Where is a restoration unsure?  The spread over slightly changed inputs, turned into an expected error.

    error = exp(offset + sum_k weight_k log(feature_k + 0.5)) - 0.5,   grey levels

The features are four maps in grey levels: the spread of eight restorations, the detail of the restored and of the
degraded face, and how far the restoration moved each pixel. The weights are fitted to true errors on validation faces
(``train/calibrate.py``); the spread alone ranks errors less well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Map = NDArray[np.float32]  # (H, W)
FEATURES = ("spread", "detail", "input detail", "change")
PASSES = 8
WINDOW = 4.0  # pixels, sigma: an error is a matter of its neighbourhood
_FLOOR = 0.5  # grey levels
_SHIFT = 0.5  # pixels, largest
_NOISE = (0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 5.0, 5.0)  # grey levels, of each pass


def perturbed_restorations(face: Tensor, network: Callable[[Tensor], Tensor]) -> Tensor:
    """Restore one face eight times in one batch, each time a little changed, and undo the change.

    Convention:
        - pass 0 is the plain restoration, pass 1 the mirrored one; the others are also shifted by up to half a pixel
          along both axes (bicubic, mirrored border), and half of all passes carry white noise
        - every second pass is mirrored left to right
        - shifts and noise come from a generator of a fixed seed: the same face gives the same passes

    Args:
        face: (1, 3, H, W) float32 in [0, 1], degraded. Not modified.
        network: restores (B, 3, H, W) in [0, 1].

    Returns:
        (8, 3, H, W) float32 in [0, 1], all in the place of the input.
    """
    generator = torch.Generator().manual_seed(0)
    shifts = (2 * torch.rand(PASSES, 2, generator=generator) - 1) * _SHIFT
    shifts[:2] = 0
    noise = torch.randn(PASSES, *face.shape[1:], generator=generator)
    inputs = _shift(face.expand(PASSES, -1, -1, -1), shifts) + noise * torch.tensor(_NOISE)[:, None, None, None] / 255
    inputs = inputs.clamp(0, 1)
    inputs[1::2] = inputs[1::2].flip(-1)
    outputs = network(inputs).clamp(0, 1)
    outputs = torch.stack([output.flip(-1) if index % 2 else output for index, output in enumerate(outputs)])
    return _shift(outputs, -shifts).clamp(0, 1)


def _shift(images: Tensor, pixels: Tensor) -> Tensor:
    """Image b read at (x, y) + ``pixels[b]``; an image that does not move comes back as it is."""
    matrix = torch.eye(2, 3).repeat(len(images), 1, 1)
    size = torch.tensor([images.shape[-1], images.shape[-2]])
    matrix[:, :, 2] = 2 * pixels / size
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    still = (pixels == 0).all(dim=1)
    return torch.where(still[:, None, None, None], images, moved)


def uncertainty_features(face: Tensor, restorations: Tensor) -> dict[str, Map]:
    """What the expected error is made of.

    Args:
        face: (1, 3, H, W) in [0, 1], degraded.
        restorations: (8, 3, H, W) as ``perturbed_restorations`` gives them.

    Returns:
        The names in ``FEATURES`` to maps in grey levels, averaged over a Gaussian window of ``WINDOW`` pixels.
    """
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
    """(H, W) grey levels, >= 0: the formula at the top of this file.

    Args:
        features: as ``uncertainty_features`` gives them.
        weights: of every feature. offset: of the logarithm.
    """
    log = sum(weights[name] * log_feature(features[name]) for name in FEATURES) + offset
    return np.maximum(np.exp(log) - _FLOOR, 0).astype(np.float32)


def log_feature(values: Map) -> NDArray[np.float64]:
    """Grey levels to the scale on which features and errors are fitted to each other."""
    return np.log(values.astype(np.float64) + _FLOOR)


def smooth(values: Map, sigma: float) -> Map:
    """Average over a Gaussian window of ``sigma`` pixels; the border is mirrored."""
    blurred: Map = cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return blurred
