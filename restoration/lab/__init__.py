"""Experiments: a face is degraded, restored, and measured against what it was; or several ways and methods compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import Any

from restoration.degrade import Degradation, degrade_image, point_spread
from restoration.faces import FACE_SIZE, crop_centre
from restoration.images import Image, InputError
from restoration.images.photo_file import read_photo
from restoration.images.pictures import over_white
from restoration.lab.recipe import SeverityGrid
from restoration.measure import Scores, lanczos, non_local_means, score, wiener
from restoration.measure.identity import NOTICEABLE, Bands, IdentityNetwork, Verdict, judge
from restoration.restorer import Restorer

CLEAN, DEGRADED, RESTORED, PHOTO = "Clean", "Degraded", "Restored", "Your photo"
INPUT_ROW, RESTORED_ROW = "Degraded input", "Restored"
NETWORK, NON_LOCAL_MEANS, LANCZOS, WIENER = "Restored", "Non-local means", "Lanczos", "Wiener"
METHODS = (NETWORK, NON_LOCAL_MEANS, LANCZOS, WIENER)
SIDE_BY_SIDE = 2  # points of a grid at a time: SSIM leaves the cores idle that the network takes
ABOUT = {
    NETWORK: "The network. It sees the degraded face alone.",
    NON_LOCAL_MEANS: "Averages pixels whose surroundings look alike; estimates the noise itself.",
    LANCZOS: "Averages to the true resolution and enlarges again; is told the downsampling factor.",
    WIENER: "Undoes the exact blur, which it is told with the noise level: what nobody knows of a real photo.",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One experiment.

    Args:
        pictures: label to (512, 512, 3) uint8 RGB face, in the order in which they were made.
        caption, warnings: what was done, and what the visitor should know, plain text.
        scores: table row to its scores against the clean face; empty where there is no clean face.
        settings, seed: how the face was degraded; None where it was not.
        seconds: wall-clock time of the network; None where it did not run.
    """

    pictures: dict[str, Image]
    caption: str
    scores: dict[str, Scores] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    settings: Degradation | None = None
    seed: int | None = None
    seconds: float | None = None


def read_face(photo: str | bytes | None) -> tuple[Image, list[str]]:
    """The centre square of a photo, by its path or contents, (512, 512, 3) uint8 RGB, and what the visitor should know
    about the crop, plain text. InputError: None, or a file that ``read_image`` refuses."""
    if photo is None:
        raise InputError("There is no picture yet. Upload one, take one with the camera, or choose an example.")
    file, notes = read_photo(photo), []
    image = over_white(file.image, file.alpha)
    if file.frames > 1:
        notes.append(f"Of the {file.frames} pictures in this file, such as an animation, the first is used.")
    if file.alpha is not None and (file.alpha < 255).any():
        notes.append("What is transparent in this picture was laid over white.")
    face = crop_centre(image)
    height, width = image.shape[:2]
    side = min(height, width)
    if height != width:
        notes.append(f"Only the centred {side} × {side} square of your {width} × {height} photo is used.")
    if side < FACE_SIZE:
        notes.append(f"The face was enlarged {FACE_SIZE / side:.1f}× to 512 × 512, so it holds less detail.")
    return face, notes


def run_degrade(
    photo: str | bytes | None, settings: Degradation, seed: int, identity: IdentityNetwork | None
) -> Outcome:
    """Degrade a clean face, as ``read_face`` cuts it, and measure what was lost: pictures ``CLEAN`` and ``DEGRADED``,
    one row of scores, no seconds. InputError as ``read_face``."""
    face, notes = read_face(photo)
    degraded = degrade_image(face, settings, seed)
    return Outcome(
        pictures={CLEAN: face, DEGRADED: degraded},
        caption=f"{settings.describe()}, not restored yet",
        scores={INPUT_ROW: score(degraded, face, identity)},
        warnings=notes,
        settings=settings,
        seed=seed,
    )


def run_experiment(
    photo: str | bytes | None, settings: Degradation, seed: int, restorer: Restorer, identity: IdentityNetwork | None
) -> Outcome:
    """``run_degrade``, then restore the degraded face alone, and measure both: pictures ``CLEAN``, ``DEGRADED`` and
    ``RESTORED``, two rows of scores, the seconds of the restoration. InputError as ``read_face``."""
    before = run_degrade(photo, settings, seed, identity)
    face, degraded = before.pictures.values()
    start = perf_counter()
    restored = restorer.restore_aligned(degraded)
    seconds = perf_counter() - start
    scores = {**before.scores, RESTORED_ROW: score(restored, face, identity)}
    verdict = identity_verdict(scores, identity.bands if identity else None)
    unlike = [verdict.warning] if verdict and verdict.warning else []
    return replace(
        before,
        pictures={**before.pictures, RESTORED: restored},
        caption=settings.describe(),
        scores=scores,
        warnings=before.warnings + restorer.out_of_range(settings) + unlike,
        seconds=seconds,
    )


def identity_verdict(scores: dict[str, Scores], bands: Bands | None = None) -> Verdict | None:
    """Whether the restored face of an ``Outcome`` is nearer to the person than the degraded one, by the ``bands`` of
    the network that measured it; None where that was not measured."""
    before, after = (scores[row].identity_angle if row in scores else None for row in (INPUT_ROW, RESTORED_ROW))
    return None if before is None or after is None else judge(before, after, bands)


def report(outcome: Outcome, restorer: Restorer) -> dict[str, Any]:
    """The outcome without its pictures, ready for JSON. An infinite PSNR is null, and ``identical`` is true then."""
    rows = [
        {
            "method": label.lower(),
            "psnr_db": scores.psnr if math.isfinite(scores.psnr) else None,
            "ssim": scores.ssim,
            "identity_angle_deg": scores.identity_angle,
            "identical": math.isinf(scores.psnr),
        }
        for label, scores in outcome.scores.items()
    ]
    return {
        "metrics": rows,
        "warnings": outcome.warnings,
        "settings": asdict(outcome.settings) if outcome.settings else None,
        "seconds": outcome.seconds,
        "model": {key: restorer.info[key] for key in ("name", "license", "parameters", "device", "precision")},
    }


class Gain(Scores):
    """What a method changed, method minus degraded input: dB, SSIM, degrees (a smaller angle is better)."""

    @property
    def worse(self) -> tuple[str, ...]:
        """The metrics by which the method's picture is noticeably worse than its input, by name; empty when none."""
        falls = {"PSNR": ("psnr", -self.psnr), "SSIM": ("ssim", -self.ssim)}
        falls["identity"] = ("identity_angle", self.identity_angle or 0.0)
        return tuple(name for name, (metric, fall) in falls.items() if fall >= NOTICEABLE[metric])


def gain(before: Scores, after: Scores) -> Gain:
    """``after`` minus ``before``, metric by metric; PSNR by 0 where both equal the truth, by inf or -inf where one."""
    decibels = 0.0 if before.psnr == after.psnr else after.psnr - before.psnr
    angles = (before.identity_angle, after.identity_angle)
    turn = None if angles[0] is None or angles[1] is None else angles[1] - angles[0]
    return Gain(psnr=decibels, ssim=after.ssim - before.ssim, identity_angle=turn)


@dataclass(frozen=True)
class Cell:
    """What one method made of one degraded face: a (512, 512, 3) uint8 RGB picture and its scores."""

    picture: Image
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class Row:
    """One degradation of the face, and what every method of ``METHODS`` made of it: None where there is nothing for it
    to undo. warnings: settings outside the network's trained range, plain text."""

    label: str
    settings: Degradation
    degraded: Cell
    cells: dict[str, Cell | None]
    warnings: list[str]

    def gain(self, method: str) -> Gain | None:
        """What a method changed; None where it had nothing to undo."""
        cell = self.cells[method]
        return None if cell is None else gain(self.degraded.scores, cell.scores)


def compare(
    face: Image, cases: dict[str, Degradation], seed: int, restorer: Restorer, identity: IdentityNetwork | None = None
) -> Iterator[Row]:
    """Degrade a clean face, (512, 512, 3) uint8 RGB, in several ways and run every method on each; a row a case, in
    their order, as they are done. The seed of the noise is the same for every case, so that one can be looked at
    without the others; without an identity network its angle is not measured."""
    for label, settings in cases.items():
        degraded = degrade_image(face, settings, seed)
        made = {DEGRADED: degraded, NETWORK: restorer.restore_aligned(degraded), **run_baselines(degraded, settings)}
        cells = {name: Cell(image, score(image, face, identity)) for name, image in made.items() if image is not None}
        others = {name: cells.get(name) for name in METHODS}
        warnings = restorer.out_of_range(settings)
        yield Row(label=label, settings=settings, degraded=cells[DEGRADED], cells=others, warnings=warnings)


def run_baselines(image: Image, settings: Degradation) -> dict[str, Image | None]:
    """What each method but the network makes of a degraded face; None where there is nothing for it to undo."""
    return {
        NON_LOCAL_MEANS: non_local_means(image),
        LANCZOS: lanczos(image, settings.downsample) if settings.downsample > 1 else None,
        WIENER: wiener(image, point_spread(settings).double().numpy(), settings.noise) if settings.is_blurred else None,
    }


@dataclass(frozen=True)
class Point:
    """One point of a grid: where it lies, the (512, 512, 3) uint8 RGB pictures and scores before and after restoration,
    and whether every setting lies in the range that the network was trained on."""

    column: int
    row: int
    settings: Degradation
    degraded: Image
    restored: Image
    before: Scores
    after: Scores
    trained: bool


def run_grid(
    face: Image, plan: SeverityGrid, seed: int, restorer: Restorer, identity: IdentityNetwork | None = None
) -> Iterator[Point]:
    """Degrade, restore and measure every point of a grid, row by row, as they are done.

    Arguments as ``compare``'s; neighbours differ by the settings alone. Close the generator to stop: what was begun is
    lost. InputError: the face cannot be used.
    """

    def measure(place: tuple[int, int]) -> Point:
        settings = plan.settings(*place)
        degraded = degrade_image(face, settings, seed)
        restored = restorer.restore_aligned(degraded)
        before, after = (score(picture, face, identity) for picture in (degraded, restored))
        return Point(*place, settings, degraded, restored, before, after, not restorer.out_of_range(settings))

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield from pool.map(measure, plan.places())  # closed, it begins no further point
