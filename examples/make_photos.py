"""Before and after of whole photos, for the README: ``python -m examples.make_photos``.

Two public-domain photos, degraded: the portrait of Eileen Collins, and a group picture composed of her and Grace
Hopper. Faces are found by the embedded detector, so nothing is downloaded. Prints PSNR over the whole picture.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from examples.make_examples import PORTRAITS
from restoration import Degradation, Restorer, degrade_image, write_png
from restoration.images import Image
from restoration.measure.metrics import psnr

PICTURES = Path(__file__).resolve().parents[1] / ".assets"
COLLINS, HOPPER = PORTRAITS


def group() -> Image:
    """(480, 800, 3) uint8 RGB: both women side by side, heads of one height, the walls behind them fading together."""
    left = COLLINS.read()[:480, :480]
    right = cv2.resize(HOPPER.read(), None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)[:480, :410]
    picture = np.zeros((480, 800, 3), np.float32)
    picture[:, :480] = left
    fade = np.clip((np.arange(410) - 10) / 60, 0, 1)[None, :, None]
    picture[:, 390:] = fade * right + (1 - fade) * np.pad(picture[:, 390:480], ((0, 0), (0, 320), (0, 0)), mode="edge")
    return np.rint(picture).astype(np.uint8)


PHOTOS = {
    "photo_collins": (COLLINS.read, Degradation(blur_sigma=1.2, noise=12, jpeg=60)),
    "photo_group": (group, Degradation(downsample=2, noise=8, jpeg=60)),
}


def main() -> None:
    """Write before and after, side by side, as ``.assets/photo_….png``."""
    restorer = Restorer.from_pretrained()
    for name, (read, settings) in PHOTOS.items():
        truth = read()
        photo = degrade_image(truth, settings, seed=1)
        result = restorer.restore(photo, detector="embedded")
        write_png(
            np.hstack([photo, np.full((len(photo), 8, 3), 255, np.uint8), result.photo]), PICTURES / f"{name}.png"
        )
        before, after = psnr(photo, truth), psnr(result.photo, truth)
        print(f"{name}: {settings.describe()}; {len(result.faces)} faces; {before:.2f} dB -> {after:.2f} dB")


if __name__ == "__main__":
    main()
