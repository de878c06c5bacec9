"""Other languages: whatever the code can say is in the table, not only what stands there when the page opens."""

import ast
import importlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import test_browser
from playwright.sync_api import Browser
from tiny import EXAMPLES

from restoration import Degradation, Restorer
from restoration.degrade.degradations import LIMITS
from restoration.degrade.protocols import PRESETS
from restoration.faces.face import Face
from restoration.faces.photo import CentredSquare
from restoration.lab.comparison import ABOUT
from restoration.lab.experiment import read_face
from restoration.lab.recipe import Recipe, picture_id
from restoration.measure.metrics import Scores
from restoration.measure.regions import REGIONS
from restoration.measure.verdict import Bands, judge
from restoration.page import photo_tab
from restoration.page.assets import I18N_JS
from restoration.page.facts import measured
from restoration.page.guess import BLURS, NOISES, QUALITIES
from restoration.page.i18n import TABLES
from restoration.page.photo_values import numbered
from restoration.page.settings import bounds
from restoration.page.words import PHOTO_HTML, PRIVACY

pytestmark = test_browser.pytestmark
browser = test_browser.browser
ROOT = Path(__file__).parents[1] / "restoration"
# Modules whose errors a visitor can cause; those of the endpoints are for programs, which read English.
ASKED = ["images.pictures", "faces.photo", "degrade.degradations"]
ASKED += [f"lab.{name}" for name in ("experiment", "comparison", "grid", "recipe")]
ASKED += [f"page.{path.stem}" for path in ROOT.glob("page/*.py") if "endpoints" not in path.stem]
# What only a program can do wrong: arrays, tensors, open files, the names of settings in JSON, a strange background.
PROGRAMS = re.compile(
    r"Expected |tensor|text mode|float32|generators|Unknown setting|valid JSON|JSON object|background is|grayscale|"
    r"Float pictures|Arrays of type|2\^63|Cannot write|"
    r"^7 "  # begins with another sentence: ``page_words`` says it whole
)
PHRASE = re.compile(r"[a-z]{3,}[ ,:]+[a-z]{2,}")  # two English words in a row


def errors(name: str) -> Iterator[str]:
    """Every message of an ``InputError`` that a module raises; what it fills in is 7, its own constants aside."""
    module = importlib.import_module(f"restoration.{name}")
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "InputError"
            and node.args
        ):
            message = said(node.args[0], module)
            if message is not None and not PROGRAMS.search(message):
                yield message


def said(message: ast.expr, module: ModuleType) -> str | None:
    if isinstance(message, ast.JoinedStr):
        return "".join(said(part, module) or "" for part in message.values)
    if isinstance(message, ast.FormattedValue):
        constant = isinstance(message.value, ast.Name) and message.value.id.isupper()
        return str(getattr(module, message.value.id)) if constant else "7"  # type: ignore[attr-defined]
    if isinstance(message, ast.Name):
        return str(getattr(module, message.id))
    return str(message.value) if isinstance(message, ast.Constant) else None


def page_words(restorer: Restorer) -> Iterator[str]:
    """What the page says beside errors, as the elements of its HTML or the parts of its scripts hold it."""
    every = Degradation(
        motion_length=9, motion_angle=3, blur_sigma=2, blur_sigma_y=4, blur_angle=5, downsample=4, noise=8, jpeg=40,
        grayscale=True,
    )  # fmt: skip
    yield from (every.describe(), Degradation().describe(), Degradation(blur_sigma=2).describe())
    strongest = Degradation(motion_length=64, blur_sigma=20, blur_sigma_y=20, downsample=32, noise=100)
    yield from restorer.out_of_range(strongest) + restorer.out_of_range(Degradation(downsample=0.8))
    yield from (bounds(name)[2] for name in LIMITS)
    yield from (text for preset in PRESETS.values() for text in (preset.label, preset.description))
    yield from (label for label, _ in photo_tab.ENLARGED)
    yield from (region.capitalize() for region in REGIONS)
    yield from ABOUT.values()
    for blur, noise, jpeg in itertools.zip_longest(BLURS, NOISES, QUALITIES):
        yield (f"This face looks {blur[1]}, holds detail of about 90 × 90 pixels, and shows {noise[1]} and {jpeg[1]}.")
    bands = Bands(network="net", pairs=100, accuracy=0.9, threshold=50, same=(10, 20, 30), different=(60, 70, 80))
    for before, after in ((40, 20), (20, 40), (30, 30), (20, 75)):
        verdict = judge(before, after, bands)
        yield from filter(None, (f"{verdict.text}.", verdict.warning, bands.place(after)))
    photo = np.full((300, 500, 3), 99, np.uint8)
    yield from read_face(str(EXAMPLES / "eileen_collins.png"))[1]
    face = CentredSquare().find(photo)[0]
    for faces in ([face], [Face(face.box, face.landmarks, 0.9)], [Face(face.box, face.landmarks, 0.9)] * 2):
        yield str(numbered(photo, faces, "embedded")["said"])
    recipe = Recipe(view="test", face="", picture="0" * 12, seed=1, model="0" * 12, cases={"Custom": every})
    differs = recipe.check(photo, "1" * 12)
    yield from (*differs, f"{differs[0]} Press the button again to make it anew.")
    assert picture_id(photo) != "0" * 12
    for scores in ((20.0, 25.0), (25.0, 20.0), (25.0, float("inf")), (float("inf"), 25.0)):
        rows = {name: Scores(psnr, 0.5, 20) for name, psnr in zip(("Degraded input", "Restored"), scores, strict=True)}
        yield from re.findall(r">([^<]+)<", "".join(measured(rows, "net")))
    yield from re.findall(r">([^<]+)<", "".join(measured({}, None)))
    yield from (PRIVACY, re.sub(r"<[^>]+>", "", PHOTO_HTML))


def translated(browser: Browser, texts: list[str]) -> list[str]:
    """What the page's own script makes of each text, in an empty page."""
    page = browser.new_page()
    page.route(
        "http://page/*",
        lambda route: route.fulfill(body="<title>t</title><div></div><a></a>", content_type="text/html"),
    )
    page.goto("http://page/?lang=zh")
    found: list[str] = page.evaluate(
        """([script, tables, texts]) => { const room = document.querySelector('div');
        room.replaceChildren(...texts.map(text => Object.assign(document.createElement('p'), {textContent: text})));
        new Function('element', 'props', script)(document.body, {tables});
        return [...room.children].map(each => each.textContent); }""",
        [I18N_JS, TABLES, texts],
    )
    page.close()
    return found


def left(texts: list[str], browser: Browser) -> list[tuple[str, str]]:
    pairs = zip(texts, translated(browser, texts), strict=True)
    return [(old, new) for old, new in pairs if PHRASE.search(new) or (new == old and re.search("[a-z]{4}", old))]


def test_nothing_that_the_page_can_say_stays_english(browser: Browser) -> None:
    texts = [" ".join(text.split()) for text in page_words(Restorer.from_pretrained())]
    assert len(texts) > 100
    assert left(texts, browser) == []


def test_a_text_that_is_in_no_table_is_noticed(browser: Browser) -> None:
    assert left(["An unheard-of sentence.", "Restore", "JPEG"], browser) == [("An unheard-of sentence.",) * 2]


def test_a_dropdown_shows_the_language_and_keeps_its_own_name(browser: Browser) -> None:
    page = browser.new_page()
    page.route(
        "http://page/*", lambda route: route.fulfill(body="<a></a><input role=combobox>", content_type="text/html")
    )
    page.goto("http://page/?lang=zh")
    shown = page.evaluate(
        """([script, tables]) => { const field = document.querySelector('input'); field.value = 'Old phone';
        new Function('element', 'props', script)(document.body, {tables});
        const first = field.value; field.value = 'CCTV'; return [first, field.value]; }""",
        [I18N_JS, TABLES],
    )
    assert shown == ["旧手机", "监控"]
    page.close()
