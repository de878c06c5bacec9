"""What does the page say about a photo's past?  The estimate in words and as a table, and what to expect, as HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping

from restoration.lab.experiment import Outcome
from restoration.measure.estimate import Estimate, Value
from restoration.page.facts import measured
from restoration.page.words import items

# From which value on a word is right; the last that is reached counts.
BLURS = ((0.0, "sharp"), (0.8, "slightly blurred"), (2.0, "blurred"), (4.5, "strongly blurred"))
NOISES = ((0.0, "hardly any noise"), (3.0, "a little noise"), (9.0, "noise"), (20.0, "strong noise"))
QUALITIES = ((0.0, "very strong JPEG compression"), (30.0, "strong JPEG compression"),
             (60.0, "JPEG compression"), (88.0, "hardly any JPEG compression"))  # fmt: skip
UNSURE = 3.0  # an interval is wide where its ends differ by more than so many times the value


def in_words(estimate: Estimate) -> str:
    """One plain sentence."""
    across = round(estimate.resolution.value)
    return (
        f"This face looks {_word(BLURS, estimate.blur.value)}, holds detail of about {across} × {across} pixels, and "
        f"shows {_word(NOISES, estimate.noise.value)} and {_word(QUALITIES, estimate.jpeg.value)}."
    )


def table(estimate: Estimate) -> str:
    """Every quantity with its interval, as HTML."""
    rows = (
        ("Blur", "px, standard deviation", estimate.blur, 1),
        ("Detail fits in", "pixels across", estimate.resolution, 0),
        ("Noise", "grey levels of 255", estimate.noise, 1),
        ("JPEG quality", "1 worst, 100 none to be seen", estimate.jpeg, 0),
    )
    body = "".join(
        f'<tr><th scope="row">{name}<small>{unit}</small></th><td>{value.value:.{digits}f}</td>'
        f"<td>{value.low:.{digits}f} to {value.high:.{digits}f}{_unsure(value)}</td></tr>"
        for name, unit, value, digits in rows
    )
    share = f"{100 * estimate.coverage:.0f} of 100"
    return (
        '<table><caption class="sr">Estimated degradation</caption><thead><tr><th scope="col">Estimate</th>'
        f'<th scope="col">Value</th><th scope="col">Interval</th></tr></thead><tbody>{body}</tbody></table>'
        f'<p class="fine">Estimated from the picture alone. On faces that the estimator never saw, degraded by this '
        f"page’s own degradations, about {share} intervals held the truth; real photos have been through more.</p>"
    )


def expected(outcomes: Mapping[str, tuple[Outcome, str]], identity_name: str | None) -> str:
    """What restoration gave on faces whose originals are known, put through the estimated degradation, as HTML.

    Args:
        outcomes: name of the example face to its experiment and the token of its recipe.
        identity_name: the network behind the identity angles; None leaves them out.
    """
    parts = []
    for name, (outcome, token) in outcomes.items():
        headline, numbers = measured(outcome.scores, identity_name)
        parts.append(
            f"<h4>{html.escape(name)}</h4>{headline}{numbers}"
            f'<p><a href="#recipe={token}">Open this experiment in the first tab</a></p>'
        )
    caption = next(iter(outcomes.values()))[0].caption if outcomes else ""
    intro = items([f"What to expect: the same degradation on faces whose originals are known ({caption})."])
    return f'<div class="expected">{intro}{"".join(parts)}</div>'


def _word(scale: tuple[tuple[float, str], ...], value: float) -> str:
    return [word for start, word in scale if value >= start][-1]


def _unsure(value: Value) -> str:
    wide = value.high - value.low > UNSURE * max(value.value, 1)
    return "<small>hard to tell here</small>" if wide else ""
