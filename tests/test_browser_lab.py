"""The laboratory in a real browser: compare, sweep, stop, open a link, take everything home; axe finds no barrier."""

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from axe_playwright_python.sync_playwright import Axe
from gradio_client import Client, handle_file
from gradio_client.utils import Status
from playwright.sync_api import Browser, Locator, Page, expect
from served import EILEEN, GRACE, SLOW, download, in_browser, upload

from restoration import Degradation, Restorer, degrade_image, read_image
from restoration.degrade.protocols import PRESETS
from restoration.lab.recipe import Axis, Recipe, SeverityGrid, picture_id
from restoration.measure import psnr
from restoration.page.site import EXAMPLES, drawn
from restoration.page.widgets import TABLES

pytestmark = in_browser
SWEEP_ROWS = ("jpeg", 10, 90, 4, "{}", 0)


@pytest.fixture(scope="module")
def fingerprint() -> str:
    return Restorer.from_pretrained().fingerprint


def open_lab(page: Page) -> None:
    page.get_by_role("tab", name="Compare").click()
    expect(page.get_by_text("Tick degradations and press")).to_be_visible()


def untick(page: Page, spared: int = 0) -> None:
    """All degradations but the first ``spared``."""
    boxes = page.locator("#degradations input[type=checkbox]")
    expect(boxes).to_have_count(len(PRESETS) + 1)  # a tab's parts come one after another; ``all`` does not wait
    for box in boxes.all()[spared:]:
        box.uncheck()


def compared(page: Page) -> None:
    expect(page.locator(".grid-lab .verdict")).to_have_text(re.compile("compared"), timeout=3 * SLOW)


def cell(page: Page, row: int, column: int) -> Locator:
    return page.locator(f'.grid-lab .cell[data-open="{row}/{column}"]')


def fetched(page: Page, tmp_path: Path) -> zipfile.ZipFile:
    press = page.locator("a, button", has_text="Download all (zip)").filter(visible=True)
    return zipfile.ZipFile(download(page, press, tmp_path))


def pixels(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(archive.read(name))))


def test_degradations_are_compared_sorted_zoomed_and_taken_home(page: Page, address: str, tmp_path: Path) -> None:
    open_lab(page)
    untick(page)
    for name in ("Thumbnail", "Noise alone"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    page.get_by_role("button", name="Compare", exact=True).click()
    compared(page)
    expect(page.locator(".grid-lab td.none").first).to_have_text("Nothing for it to undo")  # Wiener: no blur
    cell(page, 0, 2).focus()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog")
    expect(viewer).to_be_in_viewport(ratio=0.99)
    slider = viewer.get_by_role("slider", name="Divider: Degraded on the left, Restored on the right")
    expect(slider).to_be_focused()
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "100 percent")
    viewer.get_by_role("button", name="Degraded").click()
    expect(viewer.get_by_role("slider", name="Divider: Clean on the left, Degraded on the right")).to_be_visible()
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    expect(cell(page, 0, 1)).to_be_focused()
    labels = page.locator(".grid-lab .head th")
    expect(labels).to_have_text([re.compile("Thumbnail"), re.compile("Noise alone")])

    page.get_by_role("button", name=re.compile("^Restored")).and_(page.locator("[data-sort]")).click()
    expect(labels.first).to_contain_text("noise")  # its gain is larger
    expect(page.locator('.grid-lab th[aria-sort="descending"]')).to_have_count(1)

    zoom = page.get_by_label("Zoom")
    zoom.fill("4")
    cell(page, 0, 2).focus()
    page.keyboard.press("ArrowRight")
    scale = "images => images.map(i => getComputedStyle(i).transform + getComputedStyle(i).transformOrigin)"
    shapes = page.locator(".grid-lab .cell img").evaluate_all(scale)
    assert len(set(shapes)) == 1  # every picture shows the same place
    assert "matrix(4" in shapes[0]

    archive = fetched(page, tmp_path)
    restored = psnr(pixels(archive, "1_thumbnail/restored.png"), read_image(EILEEN))
    expect(cell(page, 0, 2)).to_have_attribute("aria-label", re.compile(f"PSNR {restored:.2f} dB"))

    note, press = page.get_by_text("Made with what was set before"), page.locator("#compare-go")
    expect(note).to_be_hidden()
    page.get_by_role("checkbox", name="CCTV", exact=True).check()
    expect(note).to_be_visible()  # what is there no longer belongs to what is set, until it does again
    expect(page.get_by_text("Download all (zip)").filter(visible=True)).to_have_count(0)
    page.get_by_role("checkbox", name="CCTV", exact=True).uncheck()
    expect(note).to_be_hidden()
    expect(page.get_by_text("Download all (zip)").filter(visible=True)).to_have_count(1)

    hog = Client(address, verbose=False).submit(handle_file(EILEEN), "noise", 0, 40, 6, *SWEEP_ROWS, api_name="/sweep")
    while hog.status().code in (Status.STARTING, Status.JOINING_QUEUE, Status.SENDING_DATA, Status.IN_QUEUE):
        page.wait_for_timeout(50)
    press.click()
    expect(press).to_have_text("Working…")
    expect(press).to_be_disabled()
    expect(page.locator("#grid .progress-text")).to_contain_text("queue: 1/1 |")  # its place, and for how long
    expect(page.locator("#grid .progress-text")).to_be_in_viewport(ratio=1)
    expect(press).to_have_text("Compare", timeout=3 * SLOW)
    expect(press).to_be_enabled()


def numbers(page: Page, values: list[tuple[float, float, float]]) -> None:
    for place, row in enumerate(values):
        for label, value in zip(("From", "To", "Steps"), row, strict=True):
            page.get_by_label(label, exact=True).nth(place).fill(str(value))


def test_a_sweep_is_drawn_live_and_a_point_opens_its_case(page: Page) -> None:
    open_lab(page)
    page.get_by_label("A range of severities").check()
    for values, words in (
        ((20, 10, 3), "choose a lowest value below"),
        ((4, 60, 2.5), "a whole number of steps, not 2.5"),
    ):
        numbers(page, [values])
        page.get_by_role("button", name="Sweep", exact=True).click()
        expect(page.get_by_test_id("toast-text").filter(visible=True)).to_have_text(re.compile(words))  # one at a time
    numbers(page, [(5, 65 - 1, 3), (0, 60, 2)])
    page.get_by_role("button", name="Sweep", exact=True).click()
    expect(page.locator(".sweep-lab .verdict")).to_have_text("6 restorations measured")
    expect(page.locator(".heat button")).to_have_count(6)
    outside = page.locator('.heat button[aria-label*="outside the trained range"]')
    assert outside.count() == 4  # motion blur of 64 px, noise of 60
    assert page.locator('.heat td[style*="border-"]').count() >= 1
    page.locator(".heat button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#case .caption")).to_contain_text("Motion blur 5 px at 0°, noise 60 grey levels")
    expect(page.locator("#case table")).to_be_visible()
    page.locator(".curves circle").first.dispatch_event("click")
    expect(page.locator("#case .caption")).to_contain_text("Motion blur 5 px at 0° ")
    expect(page.get_by_role("link", name="Download all (zip)")).to_be_visible()


def test_a_sweep_is_stopped_and_what_it_measured_is_taken_home(page: Page, tmp_path: Path) -> None:
    open_lab(page)
    page.get_by_label("A range of severities").check()
    press, stop, verdict = page.locator("#sweep-go"), page.locator("#sweep-stop"), page.locator(".sweep-lab .verdict")
    expect(stop).to_be_disabled()  # nothing runs
    press.click()
    stop.click()  # as soon as it can be pressed
    expect(page.locator("#sweep .sr[role=status]")).to_have_text(re.compile("^Stopped"))
    expect(press).to_be_enabled()
    if verdict.count():  # it had begun: else it was withdrawn, and nothing of it comes
        expect(verdict).to_have_text(re.compile(r"Stopped after \d+ of 48"))
        assert int(verdict.inner_text().split()[2]) <= 16  # the points at hand, not all
    press.click()
    expect(press).to_be_disabled()
    page.locator(".heat button").first.click()
    expect(page.locator("#case .caption")).to_be_visible()
    expect(verdict).to_have_text(re.compile("Working"))  # while the sweep goes on
    stop.click()
    expect(stop).to_be_disabled()
    press.click()  # kept until the stopped one has ended
    expect(verdict).to_have_text(re.compile("Stopp"))
    expect(verdict).to_have_text(re.compile("Working"))
    expect(page.locator("#case .caption")).to_have_count(0)  # a case of the other one
    page.locator('.heat button[data-column="3"][data-row="0"]').wait_for()
    stop.click()
    expect(verdict).to_have_text(re.compile(r"Stopped after \d+ of 48"))
    expect(press).to_be_enabled()
    expect(stop).to_be_disabled()
    rows = page.locator(".heat button").evaluate_all("all => all.map(each => each.dataset.row)")
    assert page.locator(".curves li").count() == len(set(rows))  # of the curves that are there
    archive = fetched(page, tmp_path)
    reached = page.locator(".heat button").count()
    assert verdict.inner_text() == f"Stopped after {reached} of 48"
    lines = list(csv.DictReader(io.StringIO(archive.read("metrics.csv").decode())))
    shown = page.locator('.heat button[data-column="3"][data-row="0"]').inner_text()
    assert float(shown.lstrip("▼±").replace("−", "-")) == pytest.approx(float(lines[3]["gain_psnr_db"]), abs=0.0051)
    assert archive.read("missing.txt").decode().startswith(f"This sweep was stopped after {reached} of 48 points.")
    expect(page.locator(".sweep-lab pre")).to_contain_text(f"itertools.islice(points, {reached})")
    assert reached == len(lines) < 48


def recipe(view: Any, fingerprint: str, face: str = "grace_hopper", **more: Any) -> Recipe:
    return Recipe(view=view, face=face, picture=picture_id(read_image(GRACE)), seed=5, model=fingerprint, **more)


def test_links_are_opened_in_a_page_that_is_there(page: Page, address: str, fingerprint: str, tmp_path: Path) -> None:
    own = {"My own settings": Degradation(noise=21, jpeg=40)}
    opening = page.get_by_text("Opening what the link describes")
    page.goto(f"{address}/#recipe=nonsense")
    expect(page.get_by_text("This recipe is damaged")).to_be_visible()
    expect(page).to_have_url(f"{address}/")  # it does not stay, nor changes what is there
    expect(opening).to_have_count(0)
    expect(page.get_by_text("Made with what was set before")).to_have_count(0)

    page.goto(f"{address}/#recipe={recipe('test', fingerprint, face='', cases=own).to_token()}")
    expect(page.get_by_text("made with its author's own picture")).to_be_visible()
    expect(page.locator("#result .empty")).to_be_visible()  # and no other face's numbers
    expect(page.locator("#result table")).to_have_count(0)
    expect(page.locator("#face img")).to_have_count(0)

    page.goto(f"{address}/#recipe={recipe('test', fingerprint, cases=own).to_token()}")
    expect(page.locator("#result .caption")).to_contain_text("Noise 21 grey levels, JPEG quality 40")
    expect(page.get_by_label("Seed").first).to_have_value("5")
    expect(opening).to_have_count(0)
    page.locator("#result summary", has_text="Save and share").click()
    archive = fetched(page, tmp_path)
    expected = degrade_image(read_image(GRACE), own["My own settings"], 5)
    np.testing.assert_array_equal(pixels(archive, "1_my_own_settings/degraded.png"), expected)

    other = recipe("sweep", "000000000000", plan=SeverityGrid(Degradation(), Axis("noise", (10, 20))))
    page.goto(f"{address}/#recipe={other.to_token()}")
    expect(page.get_by_text("made with other weights than those of this page")).to_be_visible()
    expect(page.locator(".sweep-lab .verdict")).to_have_text("2 restorations measured")


def test_a_link_that_is_opened_anew_repeats_a_comparison(
    page: Page, address: str, fingerprint: str, tmp_path: Path
) -> None:
    own = Degradation(motion_length=11, motion_angle=30)
    wanted = recipe("compare", fingerprint, cases={"Thumbnail": drawn("thumbnail", 5), "My own settings": own})
    page.goto("about:blank")
    page.goto(f"{address}/#recipe={wanted.to_token()}")
    compared(page)
    expect(page.get_by_role("checkbox", name="Thumbnail")).to_be_checked()
    expect(page.get_by_role("checkbox", name="Old phone")).not_to_be_checked()
    archive = fetched(page, tmp_path)
    assert Recipe.from_json(archive.read("recipe.json").decode()) == wanted
    expected = degrade_image(read_image(GRACE), own, 5)
    np.testing.assert_array_equal(pixels(archive, "2_my_own_settings/degraded.png"), expected)
    page.get_by_role("button", name="Compare", exact=True).click()  # the controls hold the same recipe
    expect(page.locator(".grid-lab .verdict")).to_have_text(re.compile("Working"))
    compared(page)
    again = fetched(page, tmp_path)
    assert {name: again.read(name) for name in again.namelist()} == {
        name: archive.read(name) for name in archive.namelist()
    }


CONTROLS = "label > span, [data-testid=block-info], .press button, .note p, .top *, [role=tab]"


@pytest.mark.parametrize(
    ("scheme", "width", "language"),
    [("light", 390, "en"), ("dark", 1440, "en"), ("light", 1440, "zh-CN"), ("dark", 390, "zh-CN")],
)
def test_axe_finds_no_barrier_and_controls_speak_the_visitor_s_language(
    browser: Browser, address: str, scheme: Any, width: int, language: str
) -> None:
    page = browser.new_page(color_scheme=scheme, locale=language, viewport={"width": width, "height": 900})
    page.set_default_timeout(SLOW)

    def check(where: str) -> None:
        page.wait_for_timeout(400)  # colours fade in
        found = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == [], where
        said = [re.sub("Eileen Collins|Grace Hopper", "", text) for text in shown.all_inner_texts()]
        assert language == "en" or [text for text in said if re.search("[a-z]{4}", text)] == [], where
        assert page.evaluate("document.documentElement.scrollWidth") <= width, where

    words, shown = TABLES[language[:2]], page.locator(CONTROLS).filter(visible=True)
    page.goto(address)
    expect(page.locator("#result .verdict")).to_be_visible()
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    level = sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 3
    assert level < 40 if scheme == "dark" else level > 215  # as the system has it
    assert page.evaluate("document.documentElement.lang") == language
    expect(page.get_by_role("heading", level=1)).to_have_text(re.sub("<.*?>", "", words["title"]))
    expect(page.get_by_text(words["privacy"])).to_be_visible()
    preset = page.get_by_label(words["preset"], exact=True).first
    expect(preset).to_have_value(words[f"preset_{EXAMPLES[0].preset}"])
    page.get_by_role("button", name=words["where_changed"]).click()
    expect(page.locator(".examination img").first).to_be_visible(timeout=3 * SLOW)
    check("test")
    tabs = page.get_by_role("tab")
    tabs.nth(1).click()
    upload(page, Path(EILEEN), "#photo")
    expect(page.locator("#faces .box")).to_have_count(1)
    page.get_by_role("button", name=words["restore"], exact=True).click()
    expect(page.locator("#photo-result img").first).to_be_visible()
    page.get_by_role("button", name=words["past"]).click()
    expect(page.locator("#estimate .verdict")).to_be_visible()
    check("photo")
    tabs.nth(2).click()
    expect(page.locator("#grid .empty")).to_have_text(re.sub("<.*?>", "", words["no_grid"]))
    untick(page, spared=2)
    page.locator("#compare-go").click()
    expect(page.locator(".grid-lab .share")).to_be_visible(timeout=3 * SLOW)
    check("grid")
    cell(page, 0, 2).click()
    check("viewer")
    page.keyboard.press("Escape")
    page.locator("#mode input[type=radio]").nth(1).check()
    for place, row in enumerate([(0, 10, 2), (0, 10, 2)]):
        for key, value in zip(("from", "to", "steps"), row, strict=True):
            page.get_by_label(words[key], exact=True).nth(place).fill(str(value))
    page.locator("#sweep-go").click()
    expect(page.locator(".heat button")).to_have_count(4)
    expect(page.locator(".sweep-lab .share")).to_be_visible()
    check("sweep")
    tabs.nth(0).click()
    preset.click()
    page.get_by_role("option", name=words["preset_shaky_hand"]).click()
    expect(page.get_by_text(words["about_shaky_hand"])).to_be_visible()
    page.get_by_label(words["seed"]).first.fill("-1")
    expect(page.get_by_text(words["outdated"])).to_be_visible()
    page.get_by_role("button", name=words["degrade_restore"]).first.click()
    expect(page.get_by_text("The seed must be a whole number")).to_be_visible()  # errors are English
    page.close()
