"""Experiments: a face is degraded, restored, and measured against what it was; or several ways and methods compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import Any

from restoration.degrade import Degradation, degrade_image, point_spread
from restoration.faces import FACE_SIZE, crop_centre
from restoration.images import Image, InputError
from restoration.images.photo_file import read_photo
from restoration.images.pictures import over_white
from restoration.measure import Scores, lanczos, non_local_means, score, wiener
from restoration.measure.identity import NOTICEABLE, Bands, IdentityNetwork, Verdict, judge
from restoration.restorer import Restorer

MAX_SEED = 2**31 - 1
CLEAN, DEGRADED, RESTORED, PHOTO = "Clean", "Degraded", "Restored", "Your photo"
INPUT_ROW, RESTORED_ROW = "Degraded input", "Restored"
NETWORK, NON_LOCAL_MEANS, LANCZOS, WIENER = "Restored", "Non-local means", "Lanczos", "Wiener"
METHODS = (NETWORK, NON_LOCAL_MEANS, LANCZOS, WIENER)
MAX_CASES = 12
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
        caption: what was done, plain text.
        scores: table row to its scores against the clean face; empty where there is no clean face.
        warnings: what the visitor should know, plain text.
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
    """Cut the face that is worked on out of a photo: its centre square.

    Args:
        photo: path or contents of a picture file, sides as ``read_image`` takes them.

    Returns:
        (512, 512, 3) uint8 RGB, and what the visitor should know about the crop, plain text, often nothing.

    Raises:
        InputError: None, or a file that ``read_image`` or ``crop_centre`` refuses.
    """
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
        factor = f"{FACE_SIZE / side:.1f}× to {FACE_SIZE} × {FACE_SIZE}"
        notes.append(f"The face was enlarged {factor}, so it holds less detail.")
    return face, notes


def make_seed(seed: Any) -> int:
    """A whole number in [0, MAX_SEED] as JSON may bring it, where 3 can arrive as 3.0. InputError: anything else."""
    if isinstance(seed, (int, float)) and 0 <= seed <= MAX_SEED and seed == int(seed):  # NaN fails the range
        return int(seed)
    told = "It is empty." if seed is None else f"It is {seed}."
    raise InputError(f"The seed must be a whole number from 0 to {MAX_SEED}. {told}")


def run_degrade(
    photo: str | bytes | None, settings: Degradation, seed: int, identity: IdentityNetwork | None
) -> Outcome:
    """Degrade a clean face and measure what was lost.

    Args:
        photo: as ``read_face`` takes it.
        settings, seed: as ``degrade_image`` takes them.
        identity: measures the identity angle; None leaves it unmeasured.

    Returns:
        Pictures ``CLEAN`` and ``DEGRADED``, one row of scores, no seconds. InputError as ``read_face``.
    """
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
    """``run_degrade``, then restore, and measure both against the clean face.

    Returns:
        Pictures ``CLEAN``, ``DEGRADED`` and ``RESTORED``, two rows of scores, the seconds of the restoration, which
        sees the degraded face alone. InputError as ``read_face``.
    """
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
    """Whether the restored face of an ``Outcome`` is nearer to the person than the degraded one; None where that was
    not measured. ``bands`` are those of the network that measured it."""
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
    """``after`` minus ``before``, metric by metric; PSNR by 0 where both pictures equal the truth, by inf or -inf where
    one does."""
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
    """One degradation of the face, and what every method made of it.

    cells: a method of ``METHODS`` to its result; None where there is nothing for it to undo. warnings: settings outside
    the network's trained range, plain text.
    """

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
    """Degrade a face in several ways and run every method on each; a row a case, in their order, as they are done.

    Args:
        face: (512, 512, 3) uint8 RGB, clean. Not modified.
        cases: label to settings, 1 to ``MAX_CASES``.
        seed: of the noise, the same for every case, so that one can be looked at without the others.
        restorer: sees degraded faces alone.
        identity: measures the identity angle; None leaves it unmeasured.

    Raises:
        InputError: no case or too many, or a face that cannot be used; before the first row.
    """
    if not 1 <= len(cases) <= MAX_CASES:
        raise InputError(f"Choose 1 to {MAX_CASES} degradations to compare, not {len(cases)}.")
    for label, settings in cases.items():
        degraded = degrade_image(face, settings, seed)
        made = {DEGRADED: degraded, NETWORK: restorer.restore_aligned(degraded), **run_baselines(degraded, settings)}
        cells = {name: Cell(image, score(image, face, identity)) for name, image in made.items() if image is not None}
        yield Row(
            label=label,
            settings=settings,
            degraded=cells[DEGRADED],
            cells={name: cells.get(name) for name in METHODS},
            warnings=restorer.out_of_range(settings),
        )


def run_baselines(image: Image, settings: Degradation) -> dict[str, Image | None]:
    """What each method but the network makes of a degraded face; None where there is nothing for it to undo."""
    blurred = settings.motion_length > 1 or max(settings.blur_sigmas) > 0
    return {
        NON_LOCAL_MEANS: non_local_means(image),
        LANCZOS: lanczos(image, settings.downsample) if settings.downsample > 1 else None,
        WIENER: wiener(image, point_spread(settings).double().numpy(), settings.noise) if blurred else None,
    }
