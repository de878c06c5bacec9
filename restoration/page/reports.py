"""What the page reports beside pictures, as HTML: measurements, what changed, a photo's past, and the footer.

Texts that are not the page's own are escaped. Where worse is shown it is said in words, too.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import numpy as np

from restoration.images import Image
from restoration.lab.experiment import Outcome, identity_verdict
from restoration.measure import Scores
from restoration.measure.estimate import Estimate
from restoration.measure.faithfulness import Difference, Examination, Identity, Region
from restoration.measure.identity import Bands
from restoration.measure.uncertainty import Calibration, Map

BUILT_IN = {"embedded": "the built-in detector", "embedded_recogniser": "the built-in recogniser"}
GAIN, RESIDUAL_GAIN = 4, 8  # how much signed differences are amplified
TOP = 20.0  # grey levels: the lightest colour of the uncertainty map
SCALE_END = 120.0  # degrees; hardly any two faces are further apart
# From which value on a word is right; the last that is reached counts.
BLURS = ((0.0, "sharp"), (0.8, "slightly blurred"), (2.0, "blurred"), (4.5, "strongly blurred"))
NOISES = ((0.0, "hardly any noise"), (3.0, "a little noise"), (9.0, "noise"), (20.0, "strong noise"))
QUALITIES = ((0.0, "very strong JPEG compression"), (30.0, "strong JPEG compression"),
             (60.0, "JPEG compression"), (88.0, "hardly any JPEG compression"))  # fmt: skip
UNSURE = 3.0  # an interval is wide where its ends differ by more than so many times the value


def called(network: str) -> str:
    """What the page calls a detector or an identity network, by its name; those of others keep theirs. Escaped."""
    return html.escape(BUILT_IN.get(network, network))


def items(texts: Iterable[str], tag: str = "p") -> str:
    """Plain texts as HTML, each escaped and in an element of its own; "" for none."""
    return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts)


def refused(error: Exception) -> str:
    """Why a file was refused, as HTML that a screen reader announces at once; the message is escaped."""
    return f'<p class="refused" role="alert">{html.escape(str(error))}</p>'


def facts(outcome: Outcome, identity_name: str | None) -> str:
    """What stands beside the pictures of an experiment: headline, caption, table and warnings.

    Args:
        identity_name: the network behind the identity angles; None says that identity was not measured.
    """
    headline, numbers = measured(outcome.scores, identity_name)
    timing = f" · restored in {outcome.seconds:.2f} s" if outcome.seconds is not None else ""
    caption = html.escape(outcome.caption[:1].upper() + outcome.caption[1:]) + timing
    return f'{headline}<p class="caption">{caption}</p>{numbers}{_notes(outcome.warnings)}'


def measured(scores: dict[str, Scores], identity_name: str | None) -> tuple[str, str]:
    """Headline and table of scores.

    Args:
        scores: the page's own label of a row to its scores; the first row is what the others are compared with. Empty
            where there is no clean original: then a sentence stands in place of the table, and no number.
        identity_name: the network behind the identity angles; None leaves their column out and says so.
    """
    if not scores:
        return '<p class="verdict">Nothing to measure against</p>', (
            "<p>PSNR, SSIM and identity compare with a clean original. "
            "Without the original of your photo no number would be true, so none is shown.</p>"
        )
    base, last = next(iter(scores.values())), list(scores.values())[-1]
    gain = last.psnr - base.psnr if math.isfinite(last.psnr) or math.isfinite(base.psnr) else 0.0
    if len(scores) == 1:
        headline = '<p class="verdict">Degraded. Now restore it.</p>'
    elif gain < 0:
        amount = f" by {-gain:.2f} dB" if math.isfinite(gain) else ""
        headline = f'<p class="verdict worse">▼ Worse than the input{amount}</p>'
    else:
        amount = f"{gain:.2f} dB closer" if math.isfinite(gain) else "All the way back"
        headline = f'<p class="verdict better">▲ {amount} to the clean original</p>'
    heads = {"Picture": "", "PSNR": "dB, higher is better", "SSIM": "0 to 1, higher is better"}
    rows = [
        [label, _compared(row.psnr, base.psnr, 2, 1), _compared(row.ssim, base.ssim, 3, 1)]
        + ([_compared(row.identity_angle, base.identity_angle, 1, -1)] if identity_name else [])
        for label, row in scores.items()
    ]
    about = "Identity is not measured: no identity network is installed here."
    if identity_name:
        heads["Identity angle"] = "degrees, lower is better"
        verdict = identity_verdict(scores)
        about = f"Identity by {called(identity_name)}; it expects a face aligned like the examples."
        about = f"{verdict.text}. {about}" if verdict else about
    return headline, _table("Measured against the clean original", heads, rows, hidden=True) + _fine(about)


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
    person = _identity(seen.identity, bands) if seen.identity else ""
    text = person + _notes(seen.warnings) + _regions(seen.regions)
    if seen.skin is not None:
        usual = f"; 95 % of validation faces stay below {calibration.skin_difference:.1f}" if calibration else ""
        text += _fine(f"Colour of the skin: ΔE2000 {seen.skin:.1f} from the clean face{usual}.")
    if calibration:
        text += _fine(
            f"The expected error was fitted on {calibration.faces} validation faces; within a face it ranks true "
            f"errors with a correlation of {calibration.rank_correlation:.2f} (1 is perfect, 0 is chance)."
        )
    return text


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
        wide = value.high - value.low > UNSURE * max(value.value, 1)
        interval = f"{value.low:.{digits}f} to {value.high:.{digits}f}"
        interval += "<small>hard to tell here</small>" if wide else ""
        rows.append([f"{name}<small>{unit}</small>", f"{value.value:.{digits}f}", interval])
    heads = dict.fromkeys(("Estimate", "Value", "Interval"), "")
    return _table("Estimated degradation", heads, rows, hidden=True) + _fine(
        "Estimated from the picture alone. On faces that the estimator never saw, degraded by this page’s own "
        f"degradations, about {100 * estimate.coverage:.0f} of 100 intervals held the truth; real photos have been "
        "through more."
    )


def expected(outcomes: Mapping[str, tuple[Outcome, str]], identity_name: str | None) -> str:
    """What restoration gave on faces whose originals are known, put through the estimated degradation.

    Args:
        outcomes: name of the example face to its experiment and the token of its recipe.
        identity_name: as of ``measured``.
    """
    caption = next(iter(outcomes.values()))[0].caption if outcomes else ""
    text = items([f"What to expect: the same degradation on faces whose originals are known ({caption})."])
    for name, (outcome, token) in outcomes.items():
        text += f"<h4>{html.escape(name)}</h4>{''.join(measured(outcome.scores, identity_name))}"
        text += f'<p><a href="#recipe={token}">Open this experiment in the first tab</a></p>'
    return f'<div class="expected">{text}</div>'


def footer(info: dict[str, Any], update: str = "") -> str:
    """Weights, where they come from and licence in one compact line each.

    Args:
        info: ``Restorer.info``: its name, source, revision, notice, parameters and license are shown; of a folder on
            this machine no path.
        update: how to take what is newer on the Hub; "" where nothing is.
    """
    folder = info["revision"] is None and not info["source"].startswith("embedded: ")
    source = "a folder of this machine" if folder else info["source"]
    at = f", revision {info['revision'][:12]}" if info["revision"] else ""
    size = f"{info['parameters'] / 1e6:.1f} M parameters"
    known = f"Weights “{info['name']}” ({source}{at}) · {size} · licence of the weights: {info['license']}"
    return items([known, *filter(None, (info["notice"], update))])


def _identity(identity: Identity, bands: Bands | None) -> str:
    def line(label: str, value: str, kind: str, low: float, high: float | None = None) -> str:
        left, right = (100 * min(degrees or low, SCALE_END) / SCALE_END for degrees in (low, high))
        wide = "" if high is None else f";width:{right - left:.1f}%"
        return (
            f'<li><span>{label} <b>{value}°</b></span><span class="track" aria-hidden="true">'
            f'<i class="{kind}" style="left:{left:.1f}%{wide}"></i></span></li>'
        )

    kind, mark = {True: (" better", "▲ "), False: (" worse", "▼ "), None: ("", "")}[identity.verdict.better]
    lines = line("Input", f"{identity.degraded:.0f}", "before", identity.degraded)
    lines += line("Restored", f"{identity.restored:.0f}", "after", identity.restored)
    about = f"Angle to the clean face by {called(identity.network)}, on a scale from 0° to {SCALE_END:.0f}°."
    if bands is not None:
        for label, (low, _, high), style in (
            ("Photos of one person", bands.same, "same"),
            ("Photos of different people", bands.different, "different"),
        ):
            lines += line(label, f"{low:.0f}–{high:.0f}", style, low, high)
        about += (
            f" {bands.place(identity.restored)} The bands hold 90 % of {bands.pairs} pairs of different photos; two "
            "versions of one photo should lie well below them."
        )
    verdict = f'<p class="verdict{kind}">{mark}{html.escape(identity.verdict.text)}</p>'
    return f'{verdict}<ul class="angles">{lines}</ul>{_fine(about)}'


def _regions(regions: Iterable[Region]) -> str:
    heads: dict[str, str] = {"Region": ""}
    rows = []
    for region in regions:
        cells = [region.name.capitalize()]
        if region.expected is not None:
            heads["Expected"] = "of the restored face"
            cells.append(f"{region.expected:.1f}")
        if region.degraded is not None and region.restored is not None:
            heads |= {"Input": "measured", "Restored": "measured"}
            cells += [f"{region.degraded:.1f}", _compared(region.restored, region.degraded, 1, -1)]
        rows.append(cells)
    return _table("Mean error of each region in grey levels (of 255)", heads, rows) if len(heads) > 1 else ""


def _compared(value: float | None, base: float | None, digits: int, better: int) -> str:
    """One number and how it compares with the degraded input's; ``better`` is 1 where more is better, else -1."""
    if value is None or base is None:
        return "not measured"
    number = "identical" if math.isinf(value) else f"{value:.{digits}f}"
    size = abs(value - base) if value != base else 0.0  # both may be infinite
    if round(size, digits) == 0:  # what cannot be seen in the number is neither better nor worse
        return number
    amount = f"{'+' if value > base else '−'}{size:.{digits}f}" if math.isfinite(size) else ""
    if (value - base) * better > 0:
        return f'{number}<span class="better">▲ {amount}<span class="sr"> better</span></span>'
    return f'{number}<span class="worse">▼ {amount} worse</span>'


def _table(caption: str, heads: Mapping[str, str], rows: Iterable[list[str]], *, hidden: bool = False) -> str:
    """A table of HTML cells, whose first column names the rows; a head has what is written below it.

    Args:
        hidden: the caption is for screen readers alone.
    """
    top = "".join(
        f'<th scope="col">{name}{f"<small>{below}</small>" if below else ""}</th>' for name, below in heads.items()
    )
    body = "".join(
        f'<tr><th scope="row">{label}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for label, *cells in rows
    )
    kind = ' class="sr"' if hidden else ""
    return f"<table><caption{kind}>{caption}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _notes(texts: list[str]) -> str:
    return f'<ul class="notes">{items(texts, "li")}</ul>' if texts else ""


def _fine(text: str) -> str:
    return f'<p class="fine">{text}</p>'
