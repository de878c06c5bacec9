"""What the page reports: headlines, tables, maps, the panel and the footer."""

import dataclasses
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from tiny import BANDS, CALIBRATION

from restoration import InputError, Restorer
from restoration.lab import Outcome
from restoration.measure import Scores
from restoration.measure.faithfulness import Examination, Identity, Region
from restoration.measure.identity import judge
from restoration.page.reports import changes, face_maps, facts, footer, in_short, items, measured, refused

MARKUP, ESCAPED = '<b onclick="x">&', "&lt;b onclick=&#34;x&#34;&gt;&amp;"


def names(text: str) -> list[str]:
    """The names of all elements, in order. ValueError: one that is not closed in turn."""
    return [element.tag for element in ElementTree.fromstring(f"<all>{text}</all>").iter()]


def row(psnr: float, ssim: float, angle: float | None = None) -> Scores:
    return Scores(psnr=psnr, ssim=ssim, identity_angle=angle)


def report(first: Scores, last: Scores | None = None, network: str | None = None) -> tuple[str, str]:
    """Headline and the rest of what is measured."""
    scores = {"Degraded input": first} | ({"Restored": last} if last else {})
    headline, _, rest = measured(scores, network).partition("</p>")
    return headline, rest


@pytest.mark.parametrize(("before", "after", "headline", "cells", "worse"), [
    (row(25, 0.70, 40), row(24, 0.75, 30), "▼ Further from the clean original than the input <small>−1.00 dB</small>",
     ["▼ −1.00", "▲ +0.050", "▲ −10.0"], 1),
    (row(25, 0.70, 41.26), row(26.5, 0.80, 52.5), "▲ Clearly closer to the clean original <small>+1.50 dB</small>",
     ["<td>41.3</td>", "▲ +1.50", "▼ +11.2"], 1),
    (row(25, 0.70, 41), row(25.4, 0.699, 41.8), "▲ Closer to the clean original <small>+0.40 dB</small>",
     ["▲ +0.40", '<span class="same">−0.001<span class="sr"> about the same', '<span class="same">+0.8'], 0),
    (row(25, 0.70, 41), row(24.95, 0.69, 40),
     ">About as close to the clean original as the input <small>−0.05 dB</small>",
     ['<span class="same">−0.05', "▼ −0.010 worse", "▲ −1.0"], 1),
    (row(math.inf, 1, 0), row(40, 0.99, 0), "▼ Further from the clean original than the input<",
     ["<td>identical</td>", "▼ −0.010 worse"], 2),
    (row(25, 0.7, 9), row(math.inf, 1, 9), "▲ All the way back", ['identical<span class="better">▲'], 0),
    (row(math.inf, 1, 0), row(math.inf, 1, 0), "As good as the original, like the input", ["<td>identical</td>"], 0),
])  # fmt: skip
def test_better_and_worse_are_said_in_words_per_metric(
    before: Scores, after: Scores, headline: str, cells: list[str], worse: int
) -> None:
    said, table = report(before, after, "net")
    assert headline in said + "<"
    for cell in cells:
        assert cell in table
    assert table.count(" worse</span>") == worse
    assert not re.search("inf|nan", said + table)
    assert '<th scope="row">Degraded input</th>' in table


def test_a_picture_that_is_shared_says_it_in_two_lines() -> None:
    said = in_short(row(25, 0.7, 40), row(26.5, 0.8, 30))
    assert said[0] == "Clearly closer to the clean original +1.50 dB"
    assert said[1] == "PSNR 25.00 dB → 26.50 dB   SSIM 0.700 → 0.800   identity angle 40.0° → 30.0°"
    assert "PSNR 25.00 dB → identical   SSIM" in in_short(row(25, 0.7), row(math.inf, 1))[1]


def test_identity_is_shown_with_its_name_or_said_to_be_missing() -> None:
    before, after = row(25, 0.7, 30), row(26, 0.8, 36)
    table = report(before, after, "net")[1]
    assert "Further from the person than the degraded photo by 6.0°. Identity by net" in table
    assert "degrees, lower is better" in table
    headline, table = report(row(25, 0.7), None, "net")
    assert "Now restore it" in headline
    assert "<td>not measured</td>" in table
    table = report(before, after)[1]
    assert "Identity is not measured" in table
    assert not re.search("angle|30.0", table.lower())


def test_everything_that_is_not_the_page_s_own_is_escaped() -> None:
    scores = {"Degraded input": row(25, 0.7, 40), "Restored": row(26, 0.8, 30)}
    plain = facts(Outcome(pictures={}, caption="x", scores=scores, warnings=["x"], seconds=1.5), "x")
    text = facts(Outcome(pictures={}, caption=MARKUP, scores=scores, warnings=[MARKUP], seconds=1.5), MARKUP)
    assert MARKUP not in text
    assert text.count(ESCAPED) == 3  # caption, warning and name
    assert names(text) == names(plain)
    assert items([]) == ""
    assert items(["a", MARKUP]) == f"<p>a</p><p>{ESCAPED}</p>"
    assert refused(InputError(MARKUP)) == f'<p class="refused" role="alert">{ESCAPED}</p>'


ZERO = np.zeros((512, 512, 3), np.int16)
FULL = Examination(
    change=ZERO + 3,
    uncertainty=np.full((512, 512), 5, np.float32),
    calibrated=True,
    residual=ZERO - 2,
    error=ZERO + 1,
    regions=(
        Region(name="eyes", expected=9.04, degraded=12.0, restored=8.0),
        Region(name="skin", expected=3.0, degraded=2.0, restored=2.6),
    ),
    identity=Identity(network="<net>", degraded=40, restored=31, verdict=judge(40, 31, BANDS)),
    skin=4.25,
    warnings=["Skin & more"],
)
UNKNOWN = Region(name="eyes", expected=9.0, degraded=None, restored=None)
PHOTO = dataclasses.replace(FULL, residual=None, error=None, regions=(UNKNOWN,), identity=None, skin=None, warnings=[])


def test_maps_are_those_that_are_known_each_with_an_alternative_text() -> None:
    assert [name for name, *_ in face_maps(FULL)] == ["change", "uncertainty", "consistency", "error"]
    assert [name for name, *_ in face_maps(PHOTO)] == ["change", "uncertainty"]
    for (_, _, _, alt, picture), number in zip(face_maps(FULL), ("3.0", "5.0", "2.0", "1.0"), strict=True):
        assert number in alt
        assert picture.shape == (512, 512, 3)
    _, _, note, alt, _ = face_maps(dataclasses.replace(FULL, calibrated=False))[1]
    assert "Expected error" not in note
    assert "grey levels" not in note + alt


def test_the_panel_says_everything_in_words() -> None:
    text = changes(FULL, BANDS, CALIBRATION)
    names(text)
    assert '<p class="verdict better" role="status">▲ Closer to the person than the degraded photo by 9.0°</p>' in text
    assert "Photos of one person <b>30–66°</b>" in text
    assert 'class="same" style="left:25.0%;width:30.0%"' in text  # 30° to 66° of 120°
    assert "&lt;net&gt;" in text
    assert "Skin &amp; more" in text
    assert "<td>9.0</td>" not in text  # foretold: the truth is known
    assert "▲ −4.0" in text
    assert "▼ +0.6 worse" in text
    assert "ΔE2000 4.2 from the clean face; 95 % of validation faces stay below 6.0" in text
    assert "correlation of 0.60" in text


@pytest.mark.parametrize("expected", [9.0, None])
def test_what_is_not_known_is_not_claimed(expected: float | None) -> None:
    text = changes(dataclasses.replace(FULL, calibrated=False), None, None)
    names(text)
    assert not re.search("Photos of one person|validation faces", text)
    region = dataclasses.replace(UNKNOWN, expected=expected)
    text = changes(dataclasses.replace(PHOTO, regions=(region,)), BANDS, CALIBRATION)  # a photo without a truth
    names(text)
    assert not re.search("measured|verdict|ΔE", text)
    assert ("<td>9.0</td>" in text) == (expected is not None)


def test_the_footer_names_weights_licence_and_where_they_come_from(tiny_weights: Path) -> None:
    info = Restorer.from_pretrained(tiny_weights).info
    text = footer(info)
    assert info["license"] in text
    assert info["name"] in text
    assert MARKUP not in footer({**info, "name": MARKUP, "license": MARKUP})
    assert "a folder of this machine" in text
    assert str(tiny_weights) not in text  # visitors need not know the server's folders
    assert footer({**info, "name": "default", "source": "embedded: default"}).startswith("<p>The built-in weights ·")
    hub = {"source": "Hub: a/b@v1", "revision": "0123456789abcdef", "notice": f"Hub gone {MARKUP}"}
    told = footer({**info, **hub}, "v2 & on")
    assert "Hub: a/b@v1, revision 0123456789ab" in told
    assert f"<p>Hub gone {ESCAPED}</p><p>v2 &amp; on</p>" in told
