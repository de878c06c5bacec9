"""A photo's past: blur, noise, JPEG quality and effective resolution, estimated without the original, with intervals.

A small network over spectra and differences, trained on our own degradations (``train/extras/estimator.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.degrade import Degradation
from restoration.faces import FACE_SIZE
from restoration.images import Image, to_tensor
from restoration.measure.identity import check_aligned
from restoration.measure.recogniser import load_strictly

FOLDER = Path(__file__).parent / "estimator_weights"
QUANTITIES = ("blur", "downsample", "noise", "jpeg")
HIGHEST = {"blur": 12.0, "downsample": 16.0, "noise": 60.0, "jpeg": 100.0}
LOWEST = {"blur": 0.0, "downsample": 1.0, "noise": 0.0, "jpeg": 5.0}
_OFFSET = {"blur": 0.5, "downsample": 0.0, "noise": 1.0}  # keeps logarithms finite


@dataclass(frozen=True)
class Value:
    """An estimate and the interval that held the truth for a share ``Estimate.coverage`` of unseen faces."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a face seems to have been through; of unseen faces ``coverage``, (0, 1), had their truth in the intervals"""

    blur: Value  # standard deviation of the point spread, pixels of the 512 face, both axes averaged
    downsample: Value  # reduction factor; 1 is none
    noise: Value  # standard deviation in 8-bit grey levels, at the reduced size
    jpeg: Value  # quality; 100 is no compression that can be seen
    coverage: float

    @property
    def resolution(self) -> Value:
        """Pixels across the face's 512 in which its detail fits: 512 / downsample."""
        factor = self.downsample
        return Value(FACE_SIZE / factor.value, FACE_SIZE / factor.high, FACE_SIZE / factor.low)

    def settings(self) -> Degradation:
        """The estimate as a degradation, to replay on another face; what is hardly there is left out."""
        blur = round(self.blur.value, 1) if self.blur.value >= 0.4 else 0.0
        factor = round(self.downsample.value, 1) if self.downsample.value >= 1.15 else 1.0
        noise = round(self.noise.value * 2) / 2 if self.noise.value >= 1 else 0.0
        jpeg = round(self.jpeg.value) if self.jpeg.value < 97 else None
        return Degradation(blur_sigma=blur, downsample=factor, noise=noise, jpeg=jpeg)


def truth(settings: Degradation) -> dict[str, float]:
    """The four quantities of known settings, which the network learns.

    The blur's is sqrt((sx^2 + sy^2) / 2 + L^2 / 24): variances of Gaussian and motion add, averaged over both axes.
    """
    length = settings.motion_length if settings.motion_length > 1 else 0.0
    return {
        "blur": math.sqrt(sum(sigma**2 for sigma in settings.blur_sigmas) / 2 + length**2 / 24),
        "downsample": max(1.0, settings.downsample),
        "noise": settings.noise,
        "jpeg": 100.0 if settings.jpeg is None else float(settings.jpeg),
    }


def to_scale(name: str, value: float) -> float:
    """A quantity on the scale that the network predicts: logarithmic but for JPEG, all about 0 to 4."""
    return (100 - value) / 20 if name == "jpeg" else math.log2(value + _OFFSET[name])


def from_scale(name: str, value: float) -> float:
    """Inverse of ``to_scale``, clipped to ``LOWEST`` and ``HIGHEST``."""
    natural = 100 - 20 * value if name == "jpeg" else 2 ** min(value, 10) - _OFFSET[name]
    return min(HIGHEST[name], max(LOWEST[name], natural))


def features(images: Tensor) -> Tensor:
    """What blur, noise, resampling and JPEG leave behind: spectra, small differences, and steps at regular distances.

    (B, 3, H, W) float32 in [0, 1], sides >= 128, to (B, FEATURES) float32, all on logarithmic scales.
    """
    levels = images * 255
    luma, colour = levels.mean(dim=1), levels[:, 0] - levels[:, 2]  # (B, H, W)
    parts = [_radial(luma, 40, 1), _radial(luma, 12, 4), _radial(colour, 20, 1)]
    kernel = images.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])[None, None]  # blind to slopes and straight edges
    scaled = luma[:, None]
    for _ in range(4):
        response = F.conv2d(scaled, kernel).abs().flatten(1)
        quantiles = torch.quantile(response[:, ::3], response.new_tensor([0.1, 0.25, 0.5, 0.75, 0.9]), dim=1)
        parts.append(torch.log2(quantiles.T + 0.05))
        scaled = F.avg_pool2d(scaled, 2)
    for axis in (1, 2):
        steps = luma.diff(dim=axis).abs().mean(dim=3 - axis)  # (B, n): how much changes from column to column
        steps = steps - F.avg_pool1d(steps[:, None], 5, 1, 2, count_include_pad=False)[:, 0]
        power = torch.fft.rfft(steps * torch.hann_window(steps.shape[1])).abs().square() / steps.shape[1]
        parts.append(_bands(power[:, None], torch.linspace(0, 0.5, power.shape[1])[None], 48, peak=True))
    return torch.cat(parts, dim=1)


def _radial(picture: Tensor, bands: int, sectors: int) -> Tensor:
    """(B, H, W) to (B, bands * sectors): log power by distance from zero frequency, in sectors of direction."""
    height, width = picture.shape[-2:]
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    centred = (picture - picture.mean(dim=(1, 2), keepdim=True)) * window
    power = torch.fft.rfft2(centred).abs().square() / (height * width)
    y, x = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    radius = (x.square() + y.square()).sqrt().expand(power.shape[1:])
    turn = ((torch.atan2(y, x) / math.pi * sectors + 0.5).floor().long() % sectors).expand(power.shape[1:])
    return torch.cat([_bands(power, torch.where(turn == s, radius, 1.0), bands) for s in range(sectors)], dim=1)


def _bands(power: Tensor, frequency: Tensor, bands: int, *, peak: bool = False) -> Tensor:
    """(B, H, W) to (B, bands): log2 of the mean, or the largest, power in equal bands of frequency up to 0.5."""
    place = (frequency.flatten() * 2 * bands).long()
    inside, values = place < bands, power.flatten(1)
    index = place[inside].expand(len(values), -1)
    kind = "amax" if peak else "mean"
    empty = values.new_zeros(len(values), bands)
    return torch.log2(empty.scatter_reduce(1, index, values[:, inside], kind, include_self=False) + 1e-3)


FEATURES = 40 + 12 * 4 + 20 + 4 * 5 + 2 * 48


class EstimatorNetwork(nn.Module):
    """Two hidden layers over ``features``, which are brought to mean 0 and deviation 1 first."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.head = nn.Sequential(
            nn.Linear(FEATURES, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(64, 2 * len(QUANTITIES)),
        )  # fmt: skip

    def from_features(self, found: Tensor) -> tuple[Tensor, Tensor]:
        """(B, FEATURES) to two (B, 4): the quantities on their scales, and their spreads, positive."""
        centre, spread = self.head((found - self.mean) / self.deviation).chunk(2, dim=1)
        return centre, F.softplus(spread) + 0.02


class Estimator:
    """A loaded estimator. Safe to share between threads."""

    def __init__(self, network: EstimatorNetwork, facts: dict[str, Any]) -> None:
        self._network, self.facts = network, facts

    @torch.inference_mode()
    def estimate(self, face: Image) -> Estimate:
        """Estimate from a (512, 512, 3) uint8 RGB face alone. InputError for a picture of another size."""
        check_aligned(face)
        centre, spread = (row[0].tolist() for row in self._network.from_features(features(to_tensor(face))))
        values = {}
        for name, middle, width in zip(QUANTITIES, centre, spread, strict=True):
            reach = width * self.facts["reach"][name]
            ends = sorted((from_scale(name, middle - reach), from_scale(name, middle + reach)))
            values[name] = Value(from_scale(name, middle), *ends)
        return Estimate(**values, coverage=self.facts["coverage"])


def load_estimator(folder: Path = FOLDER) -> Estimator:
    """Load weights strictly. InputError as ``load_strictly``."""
    network = EstimatorNetwork()
    return Estimator(network, load_strictly(folder, network, "facts.json"))
