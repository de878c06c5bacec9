"""What does the page say about where a restoration changed the face?  Verdict, scale, table and warnings, as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from restoration.images import Image
from restoration.measure.faithfulness import Examination, Identity, Region
from restoration.measure.uncertainty import Calibration
from restoration.measure.verdict import Bands
from restoration.page.maps import amplified, heat
from restoration.page.words import items

GAIN, RESIDUAL_GAIN = 4, 8  # how much signed differences are amplified
TOP = 20.0  # grey levels: the lightest colour of the uncertainty map
SCALE_END = 120.0  # degrees; hardly any two faces are further apart


@dataclass(frozen=True)
class FaceMap:
    """One picture of the panel: ``name`` for its file, ``label`` and ``note`` beside it, ``alt`` in its place."""

    name: str
    label: str
    note: str
    alt: str
    picture: Image


def face_maps(seen: Examination) -> list[FaceMap]:
    """The maps that are known, in the order in which a visitor asks for them."""
    share = f"{float(np.abs(seen.change).mean()):.1f}"
    maps = [
        FaceMap(
            "change",
            "What changed",
            f"Restored minus input, {GAIN}× amplified; grey is unchanged.",
            f"Map of what restoration changed: {share} grey levels on average",
            amplified(seen.change, GAIN),
        )
    ]
    mean = f"{float(seen.uncertainty.mean()):.1f}"
    if seen.calibrated:
        note, alt = (
            f"Expected error: dark is 0, yellow {TOP:.0f} grey levels or more.",
            f"{mean} grey levels on average",
        )
    else:
        note, alt = (
            "Where small changes of the input change the result: dark is steady, yellow is not.",
            "in relative terms",
        )
    maps.append(
        FaceMap("uncertainty", "How unsure", note, f"Map of the expected error: {alt}", heat(seen.uncertainty, TOP))
    )
    if seen.residual is not None:
        left = f"{float(np.abs(seen.residual).mean()):.1f}"
        maps.append(
            FaceMap(
                "consistency",
                "Does it explain the input?",
                f"Restored and degraded again, minus the input, {RESIDUAL_GAIN}× amplified; grey is a perfect match.",
                f"Map of what the restored face does not explain: {left} grey levels on average",
                amplified(seen.residual, RESIDUAL_GAIN),
            )
        )
    if seen.error is not None:
        off = f"{float(np.abs(seen.error).mean()):.1f}"
        maps.append(
            FaceMap(
                "error",
                "True error",
                f"Restored minus clean, {GAIN}× amplified; grey is right.",
                f"Map of the true error: {off} grey levels on average",
                amplified(seen.error, GAIN),
            )
        )
    return maps


def panel(seen: Examination, bands: Bands | None, calibration: Calibration | None) -> str:
    """Everything beside the maps, as HTML.

    Args:
        seen: any examination.
        bands: of the network behind its identity angles; None shows the angles without bands.
        calibration: of the weights; None says nothing about how far the expected error can be trusted.
    """
    notes = f'<ul class="notes">{items(seen.warnings, "li")}</ul>' if seen.warnings else ""
    person = "" if seen.identity is None else _identity(seen.identity, bands)
    skin = "" if seen.skin is None else _skin(seen.skin, calibration)
    return f"{person}{notes}{_table(seen.regions)}{skin}{_trust(calibration)}"


def _identity(identity: Identity, bands: Bands | None) -> str:
    better = identity.verdict.better
    mark = {True: ("better", "▲ "), False: ("worse", "▼ "), None: ("", "")}[better]
    rows = [
        _angle("Input", identity.degraded, "before"),
        _angle("Restored", identity.restored, "after"),
    ]
    about = f"Angle to the clean face by {html.escape(identity.network)}, on a scale from 0° to {SCALE_END:.0f}°."
    if bands is not None:
        rows += [
            _band("Photos of one person", bands.same, "same"),
            _band("Photos of different people", bands.different, "different"),
        ]
        about += (
            f" {bands.place(identity.restored)} The bands hold 90 % of {bands.pairs} pairs of different photos; two "
            "versions of one photo should lie well below them."
        )
    return (
        f'<p class="verdict {mark[0]}">{mark[1]}{html.escape(identity.verdict.text)}</p>'
        f'<ul class="angles">{"".join(rows)}</ul><p class="fine">{about}</p>'
    )


def _angle(label: str, degrees: float, kind: str) -> str:
    at = 100 * min(degrees, SCALE_END) / SCALE_END
    return (
        f'<li><span>{label} <b>{degrees:.0f}°</b></span><span class="track" aria-hidden="true">'
        f'<i class="{kind}" style="left:{at:.1f}%"></i></span></li>'
    )


def _band(label: str, band: tuple[float, float, float], kind: str) -> str:
    low, high = (100 * min(value, SCALE_END) / SCALE_END for value in (band[0], band[2]))
    return (
        f'<li><span>{label} <b>{band[0]:.0f}–{band[2]:.0f}°</b></span><span class="track" aria-hidden="true">'
        f'<i class="{kind}" style="left:{low:.1f}%;width:{high - low:.1f}%"></i></span></li>'
    )


def _table(regions: Sequence[Region]) -> str:
    measured = regions[0].restored is not None
    expected = regions[0].expected is not None
    if not measured and not expected:
        return ""
    heads = ['<th scope="col">Region</th>']
    heads += ['<th scope="col">Expected<small>of the restored face</small></th>'] if expected else []
    heads += [
        '<th scope="col">Input<small>measured</small></th><th scope="col">Restored<small>measured</small></th>'
    ] * measured
    rows = []
    for region in regions:
        cells = [f"<td>{region.expected:.1f}</td>"] if region.expected is not None else []
        if region.degraded is not None and region.restored is not None:
            cells += [f"<td>{region.degraded:.1f}</td>", _compared(region.restored, region.degraded)]
        rows.append(f'<tr><th scope="row">{region.name.capitalize()}</th>{"".join(cells)}</tr>')
    return (
        "<table><caption>Mean error of each region in grey levels (of 255)</caption>"
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _compared(restored: float, degraded: float) -> str:
    if round(abs(restored - degraded), 1) == 0:  # what cannot be seen in the number is neither better nor worse
        return f"<td>{restored:.1f}</td>"
    better = restored < degraded
    mark, arrow, word = ("better", "▲", '<span class="sr"> better</span>') if better else ("worse", "▼", " worse")
    sign = "−" if better else "+"
    return f'<td>{restored:.1f}<span class="{mark}">{arrow} {sign}{abs(restored - degraded):.1f}{word}</span></td>'


def _skin(skin: float, calibration: Calibration | None) -> str:
    usual = "" if calibration is None else f"; 95 % of validation faces stay below {calibration.skin_difference:.1f}"
    return f'<p class="fine">Colour of the skin: ΔE2000 {skin:.1f} from the clean face{usual}.</p>'


def _trust(calibration: Calibration | None) -> str:
    if calibration is None:
        return ""
    return (
        f'<p class="fine">The expected error was fitted on {calibration.faces} validation faces; within a face it '
        f"ranks true errors with a correlation of {calibration.rank_correlation:.2f} (1 is perfect, 0 is chance).</p>"
    )
