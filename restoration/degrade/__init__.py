"""What happens to a face: one implementation for the page on a CPU and for training on a GPU.

The order is that of a camera and a messenger, and every image has its own settings and source of randomness, so a
result does not depend on what else is in the batch:

    y = enlarge(JPEG_q(grey(downsample_r(x * k_motion * k_gauss) + n_sigma)))
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.io import decode_jpeg, encode_jpeg

from restoration.images import Image, InputError, to_image, to_tensor

GAUSSIAN_RADIUS = 20  # the published protocol's 41x41 kernel
MOTION_RADIUS = 33  # holds a line of 64 px at any angle
MARGIN = 56  # >= the two radii
Kernel = Literal["bilinear", "bicubic", "area"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)


@dataclass(frozen=True)
class Limit:
    """Range of one setting: both ends are allowed. ``off`` is the value at which it does nothing."""

    low: float
    high: float
    step: float
    unit: str
    label: str
    off: float | None = None


LIMITS: dict[str, Limit] = {
    "motion_length": Limit(0, 64, 1, "px", "Motion blur length", 0),
    "motion_angle": Limit(-180, 180, 1, "°", "Motion blur angle"),
    "blur_sigma": Limit(0, 20, 0.1, "px", "Gaussian blur sigma", 0),
    "blur_sigma_y": Limit(0, 20, 0.1, "px", "Gaussian blur sigma, second axis"),
    "blur_angle": Limit(-180, 180, 1, "°", "Gaussian blur angle"),
    "downsample": Limit(0.8, 32, 0.1, "×", "Downsampling factor", 1),
    "noise": Limit(0, 100, 0.5, "grey levels", "Gaussian noise sigma", 0),
    "jpeg": Limit(1, 100, 1, "quality", "JPEG quality"),
}


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """What is done to one face. Every default is "off"; ``LIMITS`` holds the ranges.

    Convention:
        - lengths and sigmas are in pixels of the image that is given (512 px wide faces in the demo)
        - angles are in degrees, counter-clockwise from +x as one looks at the picture
        - ``downsample`` maps a side of N pixels to ``max(1, floor(N / factor))``; below 1 it enlarges first
        - ``kernel`` is the reduction's: "bilinear" and "bicubic" sample without prefilter as OpenCV's INTER_LINEAR and
          INTER_CUBIC do, "area" averages as a sensor does (INTER_AREA). The enlargement back is bicubic for "bicubic",
          else bilinear.

    Args:
        motion_length: length of a straight camera shake, px. 0 and 1 leave the image as it is.
        motion_angle: direction of the shake.
        blur_sigma: standard deviation of the Gaussian blur, px, on a 41x41 support.
        blur_sigma_y: the same across the first axis; None makes the blur isotropic.
        blur_angle: direction of the first axis.
        noise: sigma of white Gaussian noise in 8-bit grey levels, drawn at the reduced size.
        jpeg: quality, 4:2:0 as libjpeg's default; None is off.
        grayscale: monochrome by BT.601 luma.

    InputError: a value outside its range, NaN, or of the wrong type.
    """

    motion_length: float = 0.0
    motion_angle: float = 0.0
    blur_sigma: float = 0.0
    blur_sigma_y: float | None = None
    blur_angle: float = 0.0
    downsample: float = 1.0
    kernel: Kernel = "area"
    noise: float = 0.0
    jpeg: int | None = None
    grayscale: bool = False

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            value = getattr(self, name)
            if value is None and name in ("blur_sigma_y", "jpeg"):
                continue
            number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
            if not number or not abs(value) < 1e12:  # NaN, too
                raise InputError(f"{limit.label} ({name}) must be a number, not {value!r:.40}.")
            if not limit.low <= value <= limit.high:
                bounds = f"from {limit.low:g} to {limit.high:g} {limit.unit}"
                raise InputError(f"{limit.label} ({name}) is {float(value):g}; choose a value {bounds}.")
            if name == "jpeg" and value != int(value):
                raise InputError(f"JPEG quality (jpeg) must be a whole number, not {value!r}.")
            object.__setattr__(self, name, int(value) if name == "jpeg" else float(value))
        if self.kernel not in KERNELS:
            raise InputError(f"Downsampling kernel must be one of {', '.join(KERNELS)}, not {self.kernel!r}.")
        if not isinstance(self.grayscale, bool):
            raise InputError(f"grayscale must be true or false, not {self.grayscale!r}.")

    @property
    def blur_sigmas(self) -> tuple[float, float]:
        """The Gaussian blur's standard deviations along its first and across it, px."""
        return self.blur_sigma, self.blur_sigma if self.blur_sigma_y is None else self.blur_sigma_y

    def reduced(self, factor: int) -> Degradation | None:
        """What does the same, but for what reduction smooths, to a picture reduced 1, 2 or 4 times by area means.

        In its pixels; None where sampling, noise or JPEG happen at a size that it no longer holds, or a shake would be
        thinner than its pixels.
        """
        if factor == 1:
            return self
        whole = self.downsample == 1 and self.jpeg is None
        if not (whole or self.downsample >= factor) or (self.motion_length > 1 and factor > 2):
            return None
        names = ("motion_length", "blur_sigma", "blur_sigma_y", "noise" if whole else "downsample")
        smaller = {name: value / factor for name in names if (value := getattr(self, name)) is not None}
        return dataclasses.replace(self, **smaller)

    @property
    def is_blurred(self) -> bool:
        """True when motion or Gaussian blur does something."""
        return self.motion_length > 1 or max(self.blur_sigmas) > 0

    @property
    def is_identity(self) -> bool:
        """True when an image passes through unchanged."""
        changed = self.is_blurred or self.downsample != 1 or self.noise > 0 or self.grayscale
        return not changed and self.jpeg is None

    @classmethod
    def from_dict(cls, fields: Any) -> Degradation:
        """Of settings by name, as JSON brings them; those that are missing are off. InputError: no such object, an
        unknown name, or a value that is refused."""
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict) or not known.issuperset(fields):
            names = ", ".join(sorted(known))
            raise InputError(f'Settings are one object such as {{"noise": 10}}, of {names}; not {fields!r:.200}.')
        return cls(**fields)

    def describe(self) -> str:
        """The settings in plain words, for captions; "no degradation" when everything is off."""
        across = "" if self.blur_sigma_y is None else f" × {self.blur_sigma_y:g}"
        words = (
            (self.motion_length > 1, f"motion blur {self.motion_length:g} px at {self.motion_angle:g}°"),
            (max(self.blur_sigmas) > 0, f"Gaussian blur {self.blur_sigma:g}{across} px"),
            (self.downsample != 1, f"downsampled {self.downsample:g}× ({self.kernel})"),
            (self.noise > 0, f"noise {self.noise:g} grey levels"),
            (self.grayscale, "monochrome"),
            (self.jpeg is not None, f"JPEG quality {self.jpeg}"),
        )
        return ", ".join(text for on, text in words if on) or "no degradation"


@torch.no_grad()
def degrade(images: Tensor, settings: Sequence[Degradation], generators: Sequence[torch.Generator]) -> Tensor:
    """Degrade a batch, each image by its own settings.

    Convention:
        - noise for image b is drawn on ``generators[b].device``, then moved: a CPU generator gives the same noise for
          CPU and GPU images
        - the same generator may stand at several places; images then draw from it in order

    Args:
        images: (B, 3, H, W) float32, RGB, range [0, 1]. Not modified.
        settings, generators: B of each. A generator is advanced by 3*h*w normal draws at the reduced size where
            ``noise > 0``.

    Returns:
        (B, 3, H, W) float32 on the same device, rounded to multiples of 1/255 (a degraded photo is an 8-bit file);
        images whose settings are the identity come back exactly as they were.

    Source: the blind restoration protocol of GFPGAN (Wang et al., 2021), with motion blur in front.
    """
    with torch.autocast(images.device.type, enabled=False):
        return torch.cat([_degrade(*one) for one in zip(torch.split(images, 1), settings, generators, strict=True)])


def _degrade(image: Tensor, s: Degradation, generator: torch.Generator) -> Tensor:
    if s.is_identity:
        return image
    height, width = image.shape[-2:]
    kernels = [motion_kernel(s.motion_length, s.motion_angle)] if s.motion_length > 1 else []
    kernels += [gaussian_kernel(*s.blur_sigmas, s.blur_angle)] if max(s.blur_sigmas) > 0 else []
    y = blur(image, kernels) if kernels else image
    if s.downsample != 1:
        size = max(1, math.floor(height / s.downsample)), max(1, math.floor(width / s.downsample))
        y = resize(y, size, "bilinear" if s.downsample < 1 and s.kernel == "area" else s.kernel)
        y = y.clamp(0, 1)  # bicubic overshoots
    if s.noise > 0:
        draw = torch.randn(y.shape[1:], generator=generator, device=generator.device).to(y.device)
        y = (y + s.noise / 255 * draw).clamp(0, 1)
    if s.grayscale:
        y = (y * y.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True).expand_as(y)
    if s.jpeg is not None:
        y = jpeg_roundtrip(y, s.jpeg)
    if s.downsample != 1:
        y = resize(y, (height, width), "bicubic" if s.kernel == "bicubic" else "bilinear")
    return (y.clamp(0, 1) * 255).round() / 255


def point_spread(settings: Degradation) -> Tensor:
    """(107, 107) float32, sum 1, centred: what one point becomes under both blurs of these settings."""
    shake = motion_kernel(settings.motion_length, settings.motion_angle)
    bell = gaussian_kernel(*settings.blur_sigmas, settings.blur_angle)  # its own mirror image
    return F.conv2d(shake[None, None], bell[None, None], padding=2 * GAUSSIAN_RADIUS)[0, 0]


def degrade_image(image: Image, settings: Degradation, seed: int = 0) -> Image:
    """Degrade one (H, W, 3) uint8 RGB picture, not modified, into another: what the page and the command line call.

    The same seed of the noise, [0, 2**63), gives the same picture. InputError: not such an image, or such a seed.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise InputError(f"The seed must be a whole number from 0 to 2^63 - 1, not {seed!r}.")
    return to_image(degrade(to_tensor(image), [settings], [torch.Generator().manual_seed(int(seed))]))


def motion_kernel(length: float, angle: float) -> Tensor:
    """(67, 67) float32: an anti-aliased straight line through the centre, one pixel thick, normalised to sum 1.

    Args:
        length: pixels, [0, 64]. An odd whole length at 0° is exactly a box of that many taps.
        angle: degrees, counter-clockwise from +x as displayed (y points down in memory).
    """
    along, across = _turned_grid(MOTION_RADIUS, angle)
    line = (max(length, 1) / 2 + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1)
    return line / line.sum()


def gaussian_kernel(sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """(41, 41) float32: a Gaussian sampled at pixel centres, sum 1 (the published blind protocol's kernel).

    Args:
        sigma_x, sigma_y: pixels, [0, 20]; 0 is a single point along that axis.
        angle: degrees of the first axis, counter-clockwise from +x as displayed.
    """
    along, across = _turned_grid(GAUSSIAN_RADIUS, angle)
    bell = torch.exp(-0.5 * ((along / max(sigma_x, 1e-2)).square() + (across / max(sigma_y, 1e-2)).square()))
    return bell / bell.sum()


def _turned_grid(radius: int, angle: float) -> tuple[Tensor, Tensor]:
    """Two (2 radius + 1, 2 radius + 1): pixels from the centre along and across a direction in degrees."""
    axis = torch.arange(-radius, radius + 1, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return x * cos - y * sin, x * sin + y * cos


def blur(image: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    """Convolve a (1, C, H, W) float32 picture with (K, K) kernels, K odd, whose radii sum to at most ``MARGIN``; the
    border is mirrored as OpenCV's BORDER_REFLECT_101."""
    height, width = image.shape[-2:]
    after = {side: MARGIN + -(side + 2 * MARGIN) % 32 for side in (height, width)}  # to multiples of 32
    rows, columns = (np.pad(np.arange(side), (MARGIN, after[side]), "reflect") for side in (height, width))
    size = len(rows), len(columns)
    spectrum = torch.fft.rfft2(image[:, :, rows][..., columns])
    for kernel in kernels:
        side = kernel.shape[-1]
        frame = F.pad(kernel.to(image.device), (0, size[1] - side, 0, size[0] - side))
        spectrum *= torch.fft.rfft2(frame.roll((-(side // 2), -(side // 2)), dims=(0, 1)))  # centre at the origin
    blurred: Tensor = torch.fft.irfft2(spectrum, s=size)
    return blurred[:, :, MARGIN : MARGIN + height, MARGIN : MARGIN + width]


def resize(image: Tensor, size: tuple[int, int], kernel: Kernel) -> Tensor:
    """Resample a (1, C, H, W) float32 picture to ``size`` (height, width) as OpenCV does, without a prefilter; "area",
    for a reduction, takes the mean over the part of the picture that becomes a pixel."""
    if kernel == "area":
        height, width = (_means(n, m).to(image.device) for n, m in zip(image.shape[-2:], size, strict=True))
        return height @ image @ width.T
    return F.interpolate(image, size, mode=kernel, align_corners=False)


def _means(source: int, target: int) -> Tensor:
    """(target, source) float32, rows of sum 1: how much of each sample lies in each of fewer, equal parts."""
    low = torch.arange(target, dtype=torch.float64)[:, None] * source / target
    left = torch.arange(source, dtype=torch.float64)
    overlap = (torch.minimum(low + source / target, left + 1) - torch.maximum(low, left)).clamp(min=0)
    return (overlap / overlap.sum(dim=1, keepdim=True)).float()


def jpeg_roundtrip(image: Tensor, quality: int) -> Tensor:
    """A (1, 3, H, W) float32 RGB picture in [0, 1] through a JPEG file, 4:2:0, of a quality in [1, 100]."""
    encoded = encode_jpeg((image[0] * 255).round().clamp(0, 255).byte().cpu(), quality)
    decoded: Tensor = decode_jpeg(encoded)[None].to(image) / 255
    return decoded
