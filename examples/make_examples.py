"""Make the example faces, choose the page's cases, and make the README's photos: ``python -m examples.make_examples``.

Two public-domain portraits that pip installs anyway, aligned to the 512 template: ``eileen_collins.png`` and
``grace_hopper.png`` beside this file; a test checks that they are still made as they are committed. From the same
photos, the degraded photographs of the second tab in ``TAB_PHOTOS``, and ``.assets/photo_*.png`` with before and after
side by side: one portrait, and a group picture composed of both. The embedded weights and detector are used: nothing is
downloaded. Prints how far each face was enlarged, and PSNR over each whole photo. To be run again when the weights
change.

The rule for ``examples.json``: every person is degraded by every preset with every seed of ``SEEDS``, restored and
measured as on the page. A kind of degradation (``KINDS``) gets one case. The kinds choose in the order of their largest
gain in PSNR; each takes the case with the largest gain of the person that has fewer cases so far (of either, where both
have as many). A case that a metric calls noticeably worse comes after all others. The page shows them by their gain and
opens on the largest; each shows something else, and the last, where least comes back, is marked as hard.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import PIL.Image
import skimage.data
from matplotlib.cbook import get_sample_data

from restoration import Degradation, Restorer, degrade_image, read_image, write_png
from restoration.faces import align_face, enlargement
from restoration.images import Image
from restoration.lab import gain
from restoration.measure import psnr
from restoration.page.site import FACES, Example, load_site

FOLDER = Path(__file__).resolve().parent
PICTURES = FOLDER.parent / ".assets"
TAB_PHOTOS = FOLDER.parent / "restoration" / "page" / "photos"


class Portrait(NamedTuple):
    """A photo and where its face is.

    landmarks: (x, y) in photo pixels, whole numbers at pixel centres: the centres of the two irises, the tip of the
    nose, the two mouth corners, the picture's left before its right. Measured by eye at 16 to 26 times enlargement,
    good to about a pixel.
    """

    name: str
    credit: str
    read: Callable[[], Image]
    landmarks: tuple[tuple[float, float], ...]


COLLINS = Portrait(
    name="eileen_collins",
    credit="Eileen Collins, NASA, public domain (scikit-image: data.astronaut)",
    read=skimage.data.astronaut,  # ships inside scikit-image's wheel
    landmarks=((203.3, 101.0), (246.3, 102.8), (224.3, 127.0), (202.3, 139.0), (244.7, 140.0)),
)
HOPPER = Portrait(
    name="grace_hopper",
    credit="Grace Hopper, US Navy, public domain (matplotlib: sample_data/grace_hopper.jpg)",
    read=lambda: read_image(get_sample_data("grace_hopper.jpg", asfileobj=False)),
    landmarks=((221.5, 189.3), (305.2, 186.8), (267.5, 241.0), (228.0, 281.0), (308.0, 279.5)),
)
PORTRAITS = (COLLINS, HOPPER)


def make_face(portrait: Portrait) -> Image:
    """(512, 512, 3) uint8 RGB, aligned to ``restoration.faces.FACE_TEMPLATE``."""
    return align_face(portrait.read(), portrait.landmarks)


def group() -> Image:
    """(480, 800, 3) uint8 RGB: both women side by side, heads of one height, the walls behind them fading together."""
    left = COLLINS.read()[:480, :480]
    right = cv2.resize(HOPPER.read(), None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)[:480, :410]
    picture = np.zeros((480, 800, 3), np.float32)
    picture[:, :480] = left
    fade = np.clip((np.arange(410) - 10) / 60, 0, 1)[None, :, None]
    picture[:, 390:] = fade * right + (1 - fade) * np.pad(picture[:, 390:480], ((0, 0), (0, 320), (0, 0)), mode="edge")
    return np.rint(picture).astype(np.uint8)


def old_print() -> Image:
    """(600, 512, 3) uint8 RGB: Grace Hopper's photo as a faded, brownish print with scratches and dust."""
    grey = degrade_image(HOPPER.read(), Degradation(blur_sigma=2.4, noise=9, grayscale=True), seed=1)
    draw, worn = np.random.default_rng(7), np.zeros(grey.shape[:2], np.float32)
    height, width = worn.shape
    for _ in range(14):
        angle, down = draw.normal(np.pi / 2, 0.35), np.linspace(0, draw.uniform(0.15, 0.8) * height, 24)
        across = down * np.cos(angle) + draw.normal(0, 0.6, 24)
        line = np.stack([across, down * np.sin(angle)], axis=1) + draw.uniform(0, (width, height))
        cv2.polylines(worn, [np.rint(line).astype(np.int32)], False, draw.uniform(0.4, 0.9), 1, cv2.LINE_AA)
    for _ in range(60):
        x, y = draw.integers(0, (width, height)).tolist()
        cv2.circle(worn, (x, y), int(draw.integers(0, 3)), draw.uniform(0.4, 0.9), -1, cv2.LINE_AA)
    faded = (70 + grey * (150 / 255)) * np.array([1.06, 0.98, 0.84])
    return np.clip(np.rint(faded + worn[..., None] * (235 - faded)), 0, 255).astype(np.uint8)


SAMPLES = {
    "blurred": lambda: degrade_image(COLLINS.read()[:400, 60:400], Degradation(blur_sigma=3.2, noise=3), seed=1),
    "group": lambda: degrade_image(group(), Degradation(blur_sigma=2.2, noise=9, jpeg=50), seed=1),
    "old": old_print,
    "tiny": lambda: cv2.resize(COLLINS.read()[:300, 90:360], (89, 99), interpolation=cv2.INTER_AREA),  # a thumbnail
}
PHOTOS = {
    "photo_collins": (COLLINS.read, Degradation(blur_sigma=1.2, noise=12, jpeg=60)),
    "photo_group": (group, Degradation(downsample=2, noise=8, jpeg=60)),
}


KINDS = (  # presets that show the same thing
    ("original_noise",), ("original_motion", "shaky_hand"), ("original_lowres", "thumbnail"),
    ("old_phone", "video_call"), ("blind_protocol",), ("cctv",),
)  # fmt: skip
SEEDS = range(1, 7)


class Measured(NamedTuple):
    """What restoration gained in a case, dB, and whether any metric was noticeably worse than before."""

    face: str
    preset: str
    seed: int
    gain: float
    worse: bool


def measure() -> Iterable[Measured]:
    """Every combination; about a second each on a core."""
    site = load_site()
    for face, preset, seed in itertools.product(FACES, itertools.chain(*KINDS), SEEDS):
        change = gain(*site.run_example(Example(face, preset, seed)).scores.values())
        yield Measured(face, preset, seed, change.psnr, bool(change.worse))
        print(f"{face} {preset} {seed}: {change.psnr:+.2f} dB {' '.join(change.worse)}", flush=True)


def choose(measured: Iterable[Measured]) -> list[dict[str, Any]]:
    """The cases of ``examples.json`` by the rule above."""
    best = sorted(measured, key=lambda case: (case.worse, -case.gain))
    chosen: list[Measured] = []
    for kind in sorted(KINDS, key=lambda kind: next(i for i, case in enumerate(best) if case.preset in kind)):
        count = {face: sum(case.face == face for case in chosen) for face in FACES}
        fewest = min(count.values())
        chosen.append(next(case for case in best if case.preset in kind and count[case.face] == fewest))
    chosen.sort(key=lambda case: -case.gain)
    cases = [{"face": case.face, "preset": case.preset, "seed": case.seed} for case in chosen]
    return [*cases[:-1], {**cases[-1], "hard": True}]


def main() -> None:
    """Write all pictures, and the cases."""
    path = FOLDER / "examples.json"
    offered = {**json.loads(path.read_text(encoding="utf-8")), "cases": choose(measure())}
    path.write_text(json.dumps(offered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for portrait in PORTRAITS:
        write_png(make_face(portrait), FOLDER / f"{portrait.name}.png")
        print(f"{portrait.name}: enlarged {enlargement(portrait.landmarks):.2f} times; {portrait.credit}")
    for name, make in SAMPLES.items():
        PIL.Image.fromarray(make()).save(TAB_PHOTOS / f"{name}.jpg", quality=85, subsampling=0)
    restorer = Restorer.from_pretrained()
    for name, (read, settings) in PHOTOS.items():
        truth = read()
        photo = degrade_image(truth, settings, seed=1)
        result = restorer.restore(photo, detector="embedded")
        gap = np.full((len(photo), 8, 3), 255, np.uint8)
        write_png(np.hstack([photo, gap, result.photo]), PICTURES / f"{name}.png")
        before, after = psnr(photo, truth), psnr(result.photo, truth)
        print(f"{name}: {settings.describe()}; {len(result.faces)} faces; {before:.2f} dB -> {after:.2f} dB")


if __name__ == "__main__":
    main()
