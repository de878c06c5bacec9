"""How are measurements shown?  A headline and a table, as HTML, where worse is said in words."""

from __future__ import annotations

import html
import math

from restoration.lab.experiment import Outcome, identity_verdict
from restoration.measure.metrics import Scores
from restoration.page.words import called, items


def facts(outcome: Outcome, identity_name: str | None) -> str:
    """What stands beside the pictures: headline, caption, table and warnings.

    Args:
        outcome: any experiment, with or without scores.
        identity_name: the network behind the identity angles; None says that identity was not measured.

    Returns:
        HTML; caption, warnings and name are escaped.
    """
    headline, table = measured(outcome.scores, identity_name)
    timing = f" · restored in {outcome.seconds:.2f} s" if outcome.seconds is not None else ""
    caption = html.escape(outcome.caption[:1].upper() + outcome.caption[1:]) + timing
    notes = f'<ul class="notes">{items(outcome.warnings, "li")}</ul>' if outcome.warnings else ""
    return f'{headline}<p class="caption">{caption}</p>{table}{notes}'


def measured(scores: dict[str, Scores], identity_name: str | None) -> tuple[str, str]:
    """Headline and table of scores.

    Args:
        scores: row label to scores; the first row is what the others are compared with. Empty where there is no clean
            original: then a sentence stands in place of the table, and no number.
        identity_name: the network behind the identity angles; None leaves their column out and says so.

    Returns:
        (headline, table), both HTML. The labels are the page's own and not escaped; the name is.
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
    rows = "".join(
        f'<tr><th scope="row">{label}</th>'
        + _cell(row.psnr, base.psnr, 2, 1)
        + _cell(row.ssim, base.ssim, 3, 1)
        + (_cell(row.identity_angle, base.identity_angle, 1, -1) if identity_name else "")
        + "</tr>"
        for label, row in scores.items()
    )
    angle = '<th scope="col">Identity angle<small>degrees, lower is better</small></th>' if identity_name else ""
    about = (
        f"Identity by {called(identity_name)}; it expects a face aligned like the examples."
        if identity_name
        else "Identity is not measured: no identity network is installed here."
    )
    verdict = identity_verdict(scores)
    about = f"{verdict.text}. {about}" if verdict and identity_name else about
    return headline, (
        '<table><caption class="sr">Measured against the clean original</caption><thead><tr><th scope="col">Picture'
        '</th><th scope="col">PSNR<small>dB, higher is better</small></th><th scope="col">SSIM'
        f"<small>0 to 1, higher is better</small></th>{angle}</tr></thead><tbody>{rows}</tbody></table>"
        f'<p class="fine">{about}</p>'
    )


def _cell(value: float | None, base: float | None, digits: int, better: int) -> str:
    """One number and, in every row but the first, how it compares with the degraded input's."""
    if value is None or base is None:
        return "<td>not measured</td>"
    number = "identical" if math.isinf(value) else f"{value:.{digits}f}"
    size = abs(value - base) if value != base else 0.0  # both may be infinite
    if round(size, digits) == 0:  # what cannot be seen in the number is neither better nor worse
        return f"<td>{number}</td>"
    gain = (value - base) * better
    amount = f"{'+' if value > base else '−'}{size:.{digits}f}" if math.isfinite(size) else ""
    mark, words = ("better", "▲") if gain > 0 else ("worse", "▼")
    worse = " worse" if gain < 0 else '<span class="sr"> better</span>'
    return f'<td>{number}<span class="{mark}">{words} {amount}{worse}</span></td>'
