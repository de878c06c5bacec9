"""What the page reports beside pictures: measurements, what changed, a photo's past, and the footer.

Here numbers become words; ``reports.html`` holds the HTML, and escapes what is put into it. Where worse is shown it is
said in words, too.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from restoration.faces.photo import CENTRED, Restoration
from restoration.images import Image
from restoration.lab import Outcome, identity_verdict
from restoration.measure import Scores
from restoration.measure.estimate import Estimate
from restoration.measure.faithfulness import Difference, Examination, Identity
from restoration.measure.identity import NOTICEABLE, Bands
from restoration.measure.uncertainty import Calibration, Map

_TEXT = (Path(__file__).parent / "reports.html").read_text(encoding="utf-8")
_STRICT: dict[str, Any] = {"autoescape": True, "undefined": jinja2.StrictUndefined}
_HTML: Any = jinja2.Template(_TEXT, trim_blocks=True, lstrip_blocks=True, **_STRICT).module
CALLED = {
    "embedded": "the built-in detector",
    "embedded_recogniser": "the built-in recogniser",
    "retinaface_mobile0.25": "RetinaFace",
    "retinaface_resnet50": "RetinaFace (ResNet-50)",
    "arcface_ir_se50": "ArcFace",
}
BUILT_IN = "embedded: "  # before the name of weights that come with the code
GAIN, RESIDUAL_GAIN = 4, 8  # how much signed differences are amplified
TOP = 20.0  # grey levels: the lightest colour of the uncertainty map
SCALE_END = 120.0  # degrees; hardly any two faces are further apart
# From which value on a word is right; the last that is reached counts.
BLURS = ((0.0, "sharp"), (0.8, "slightly blurred"), (2.0, "blurred"), (4.5, "strongly blurred"))
NOISES = ((0.0, "hardly any noise"), (3.0, "a little noise"), (9.0, "noise"), (20.0, "strong noise"))
QUALITIES = ((0.0, "very strong JPEG compression"), (30.0, "strong JPEG compression"),
             (60.0, "JPEG compression"), (88.0, "hardly any JPEG compression"))  # fmt: skip
CLEARLY = 1.0  # dB from which on a face is clearly closer
UNRESTORED, ALL = "Degraded. Now restore it.", "All the way back to the clean original"
UNSURE = 3.0  # an interval is wide where its ends differ by more than so many times the value


class Cell(NamedTuple):
    """Of a table: text, what is written small below it, and how it compares: an amount, better or worse or neither."""

    text: str
    small: str = ""
    change: str = ""
    better: bool | None = None


def called(network: str) -> str:
    """What the page calls a detector or an identity network, by its name; those of others keep theirs."""
    return CALLED.get(network, network)


def items(texts: Iterable[str]) -> str:
    """Plain texts as paragraphs, each escaped; "" for none."""
    return str(_HTML.paragraphs(texts))


def refused(error: Exception) -> str:
    """Why a file was refused, as HTML that a screen reader announces at once; the message is escaped."""
    return str(_HTML.refused(str(error)))


def facts(outcome: Outcome, identity_name: str | None) -> str:
    """What stands beside the pictures of an experiment: headline, caption, table and warnings."""
    caption = outcome.caption[:1].upper() + outcome.caption[1:]
    caption += f" · restored in {outcome.seconds:.2f} s" if outcome.seconds is not None else ""
    return measured(outcome.scores, identity_name, caption) + str(_HTML.notes(outcome.warnings))


def measured(scores: dict[str, Scores], identity_name: str | None, caption: str = "") -> str:
    """Headline, caption and table of scores.

    Args:
        scores: the page's own label of a row to its scores; the first row is what the others are compared with.
        identity_name: the network behind the identity angles; None leaves their column out and says so.
    """
    base, last = next(iter(scores.values())), list(scores.values())[-1]
    headline, amount, better = _headline(base.psnr, last.psnr) if len(scores) > 1 else (UNRESTORED, "", None)
    heads = [Cell("Picture"), Cell("PSNR", "dB, higher is better"), Cell("SSIM", "0 to 1, higher is better")]
    rows = [
        [Cell(label), _compared("psnr", row.psnr, base.psnr, 2, 1), _compared("ssim", row.ssim, base.ssim, 3, 1)]
        + ([_compared("identity_angle", row.identity_angle, base.identity_angle, 1, -1)] if identity_name else [])
        for label, row in scores.items()
    ]
    about = "Identity is not measured here."
    if identity_name:
        heads.append(Cell("Identity angle", "degrees, lower is better"))
        verdict = identity_verdict(scores)
        about = f"{verdict.text}. " if verdict else ""
        about += f"Identity by {called(identity_name)}; it expects a face aligned like the examples."
    return str(_HTML.measured(headline, amount, better, caption, heads, rows, about))


def in_short(before: Scores, after: Scores) -> tuple[str, str]:
    """A headline and one line of numbers for a picture that is shared, plain text."""
    headline, amount, _ = _headline(before.psnr, after.psnr)
    ends = ("identical" if math.isinf(each.psnr) else f"{each.psnr:.2f} dB" for each in (before, after))
    numbers = [f"PSNR {' → '.join(ends)}", f"SSIM {before.ssim:.3f} → {after.ssim:.3f}"]
    if before.identity_angle is not None and after.identity_angle is not None:
        numbers.append(f"identity angle {before.identity_angle:.1f}° → {after.identity_angle:.1f}°")
    return f"{headline} {amount}".strip(), "   ".join(numbers)


def amplified(difference: Difference, gain: int) -> Image:
    """A signed (H, W, 3) int16 difference around middle grey: 128 + gain * difference, clipped to uint8 RGB."""
    return np.clip(128 + gain * difference.astype(np.int32), 0, 255).astype(np.uint8)


def heat(values: Map, top: float) -> Image:
    """(H, W) numbers from 0 to ``top`` and above as (H, W, 3) uint8 RGB from dark to light: viridis."""
    levels = np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1])


def reduced(image: Image, longest: int) -> Image:
    """(H, W, 3) uint8 RGB with the longest side at most so many pixels."""
    scale = min(1, longest / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return image if scale == 1 else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def jpeg_address(image: Image, longest: int) -> str:
    """A reduced picture as a data address: decoration beside a control, never measured or downloaded."""
    _, encoded = cv2.imencode(".jpg", reduced(image, longest)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def face_maps(seen: Examination) -> list[tuple[str, str, str, str, Image]]:
    """(name of the file, label, note, alternative text, picture) of the maps that are known, in reading order."""

    def size(difference: Difference | Map) -> str:
        return f"{float(np.abs(difference).mean()):.1f} grey levels on average"

    note = "Where small changes of the input change the result: dark is steady, yellow is not."
    unsure = "in relative terms"
    if seen.calibrated:
        note = f"Expected error: dark is 0, yellow {TOP:.0f} grey levels or more."
        unsure = size(seen.uncertainty)
    maps = [
        (
            "change", "What changed", f"Restored minus input, {GAIN}× amplified; grey is unchanged.",
            f"Map of what restoration changed: {size(seen.change)}", amplified(seen.change, GAIN),
        ),
        ("uncertainty", "How unsure", note, f"Map of the expected error: {unsure}", heat(seen.uncertainty, TOP)),
    ]  # fmt: skip
    if seen.residual is not None:
        note = f"Restored and degraded again, minus the input, {RESIDUAL_GAIN}× amplified; grey is a perfect match."
        alt = f"Map of what the restored face does not explain: {size(seen.residual)}"
        maps.append(("consistency", "Does it explain the input?", note, alt, amplified(seen.residual, RESIDUAL_GAIN)))
    if seen.error is not None:
        note = f"Restored minus clean, {GAIN}× amplified; grey is right."
        alt = f"Map of the true error: {size(seen.error)}"
        maps.append(("error", "True error", note, alt, amplified(seen.error, GAIN)))
    return maps


def of_face(value: Any) -> str:
    """Which of several restored faces a panel is about, by what the result holds; "" where there is one alone."""
    number = value.get("examined")
    if not isinstance(number, int) or not number:  # a client may send anything
        return ""
    return f"<p>Of face {number}, the first of those that were restored.</p>"


def changes(seen: Examination, bands: Bands | None, calibration: Calibration | None) -> str:
    """Everything beside the maps of an examination.

    Args:
        bands: of the network behind its identity angles; None shows the angles without bands.
        calibration: of the weights; None says nothing about how far the expected error can be trusted.
    """
    heads, rows, fine = {"Region": Cell("Region")}, [], []
    for region in seen.regions:
        cells = [Cell(region.name.capitalize())]
        if region.degraded is None or region.restored is None:  # what is foretold stands only where nothing is measured
            if region.expected is not None:
                heads["Expected"] = Cell("Expected", "foretold from the photo alone")
                cells.append(Cell(f"{region.expected:.1f}"))
        else:
            heads |= {name: Cell(name, "measured") for name in ("Input", "Restored")}
            cells += [Cell(f"{region.degraded:.1f}"), _compared(None, region.restored, region.degraded, 1, -1)]
        rows.append(cells)
    if seen.skin is not None:
        usual = f"; 95 % of validation faces stay below {calibration.skin_difference:.1f}" if calibration else ""
        fine.append(f"Colour of the skin: ΔE2000 {seen.skin:.1f} from the clean face{usual}.")
    if calibration:
        fine.append(
            f"The expected error was fitted on {calibration.faces} validation faces; within a face it ranks true "
            f"errors with a correlation of {calibration.rank_correlation:.2f} (1 is perfect, 0 is chance)."
        )
    person = _person(seen.identity, bands) if seen.identity else None
    return str(_HTML.changes(person, seen.warnings, heads.values(), rows if len(heads) > 1 else [], fine))


def in_words(estimate: Estimate) -> str:
    """What a photo has been through, in one plain sentence."""

    def word(scale: Iterable[tuple[float, str]], value: float) -> str:
        return [word for start, word in scale if value >= start][-1]

    across = round(estimate.resolution.value)
    return (
        f"This face looks {word(BLURS, estimate.blur.value)}, holds detail of about {across} × {across} pixels, and "
        f"shows {word(NOISES, estimate.noise.value)} and {word(QUALITIES, estimate.jpeg.value)}."
    )


def estimated(estimate: Estimate) -> str:
    """Every quantity of an estimate with its interval."""
    rows = []
    for name, unit, value, digits in (
        ("Blur", "px, standard deviation", estimate.blur, 1),
        ("Detail fits in", "pixels across", estimate.resolution, 0),
        ("Noise", "grey levels of 255", estimate.noise, 1),
        ("JPEG quality", "1 worst, 100 none to be seen", estimate.jpeg, 0),
    ):
        unsure = "hard to tell here" if value.high - value.low > UNSURE * max(value.value, 1) else ""
        interval = Cell(f"{value.low:.{digits}f} to {value.high:.{digits}f}", unsure)
        rows.append([Cell(name, unit), Cell(f"{value.value:.{digits}f}"), interval])
    heads = [Cell("Estimate"), Cell("Value"), Cell("Interval")]
    return str(_HTML.estimated(heads, rows, f"{100 * estimate.coverage:.0f}"))


def expected(outcomes: Mapping[str, tuple[Outcome, str]], identity_name: str | None) -> str:
    """What restoration gave on faces whose originals are known, put through the estimated degradation.

    Args:
        outcomes: name of the example face to its experiment and the token of its recipe.
        identity_name: as of ``measured``.
    """
    caption = next(iter(outcomes.values()))[0].caption if outcomes else ""
    faces = [(name, Markup(measured(run.scores, identity_name)), token) for name, (run, token) in outcomes.items()]
    return str(_HTML.expected(caption, faces))


def photo(result: Restoration, view: int) -> str:
    """What was done to a whole photo, whose view is at most so many pixels wide or high."""
    count = f"{len(result.faces)} face{'s' * (len(result.faces) != 1)} restored and put back"
    how = f"Found by {called(result.detector)}"
    if result.detector == CENTRED:
        count, how = "The centred square restored and put back", "No face was found"
    height, width = result.photo.shape[:2]
    seconds = result.seconds["network"], sum(result.seconds.values())
    return str(_HTML.photo(count, how, *seconds, width, height, view if max(height, width) > view else None))


def footer(info: dict[str, Any], update: str = "") -> str:
    """Weights, where they come from and licence in one compact line each.

    Args:
        info: ``Restorer.info``: its name, source, revision, notice, parameters and license are shown; of a folder on
            this machine no path.
        update: how to take what is newer on the Hub; "" where nothing is.
    """
    name, source = info["name"], info["source"]
    if source.startswith(BUILT_IN):
        weights = "The built-in weights" if name == "default" else f"The built-in weights “{name}”"
    else:
        at = f", revision {info['revision'][:12]}" if info["revision"] else ""
        weights = f"Weights “{name}” ({source if info['revision'] else 'a folder of this machine'}{at})"
    size = f"{info['parameters'] / 1e6:.1f} M parameters"
    known = f"{weights} · {size} · licence of the weights: {info['license']}"
    return items([known, *filter(None, (info["notice"], update))])


def _person(identity: Identity, bands: Bands | None) -> Markup:
    # A line: label, kind, degrees; of a band where it begins and ends.
    lines = [("Input", "before", identity.degraded, None), ("Restored", "after", identity.restored, None)]
    about = f"Angle to the clean face by {called(identity.network)}, on a scale from 0° to {SCALE_END:.0f}°."
    if bands is not None:
        for label, kind in (("Photos of one person", "same"), ("Photos of different people", "different")):
            low, _, high = getattr(bands, kind)
            lines.append((label, kind, low, high))
        about += (
            f" {bands.place(identity.restored)} The bands hold 90 % of {bands.pairs} pairs of different photos; two "
            "versions of one photo should lie well below them."
        )
    return Markup(_HTML.person(identity.verdict.text, identity.verdict.better, lines, SCALE_END, about))


def _headline(before: float, after: float) -> tuple[str, str, bool | None]:
    """What restoration did in plain words, by how many dB, and whether that is better; None is neither."""
    if math.isinf(after):
        return ("As good as the original, like the input", "", None) if before == after else (ALL, "", True)
    gain = round(after, 2) - round(before, 2)  # as both are written
    amount = f"{'+' if gain >= 0 else '−'}{abs(gain):.2f} dB" if math.isfinite(gain) else ""
    if abs(gain) < NOTICEABLE["psnr"]:
        return "About as close to the clean original as the input", amount, None
    if gain < 0:
        return "Further from the clean original than the input", amount, False
    return f"{'Clearly closer' if gain >= CLEARLY else 'Closer'} to the clean original", amount, True


def _compared(metric: str | None, value: float | None, base: float | None, digits: int, better: int) -> Cell:
    """One number and how it compares with the degraded input's; ``better`` is 1 where more is better, else -1.

    What is less than noticeable is neither better nor worse: of a metric without a threshold, None, what does not show.
    """
    if value is None or base is None:
        return Cell("not measured")
    number = "identical" if math.isinf(value) else f"{value:.{digits}f}"
    size = abs(round(value, digits) - round(base, digits)) if value != base else 0.0  # as written; both may be infinite
    if round(size, digits) == 0:
        return Cell(number)
    amount = f"{'+' if value > base else '−'}{size:.{digits}f}" if math.isfinite(size) else ""
    if metric and size < NOTICEABLE[metric]:
        return Cell(number, change=amount)
    return Cell(number, change=amount, better=(value - base) * better > 0)
