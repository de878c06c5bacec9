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


def open_sweep(page: Page) -> None:
    open_lab(page)
    page.get_by_label("A range of severities").check()


def untick(page: Page, spared: int = 0) -> None:
    """All degradations but the first ``spared``."""
    boxes = page.locator("#degradations input[type=checkbox]")
    expect(boxes).to_have_count(len(PRESETS) + 1)  # a tab's parts come one after another; ``all`` does not wait
    for box in boxes.all()[spared:]:
        box.uncheck()


def tick(page: Page, *names: str) -> None:
    """Exactly these degradations."""
    untick(page)
    for name in names:
        page.get_by_role("checkbox", name=name, exact=True).check()


def compared(page: Page) -> None:
    expect(page.locator(".grid-lab .verdict")).to_have_text(re.compile("compared"), timeout=3 * SLOW)


def cell(page: Page, row: int, column: int) -> Locator:
    return page.locator(f'.grid-lab .cell[data-row="{row}"][data-cell="{column}"]')


def fetched(page: Page, tmp_path: Path) -> zipfile.ZipFile:
    press = page.locator("a, button", has_text="Download all (zip)").filter(visible=True)
    return zipfile.ZipFile(download(page, press, tmp_path))


def pixels(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(archive.read(name))))


def test_degradations_are_compared_sorted_zoomed_and_taken_home(page: Page, address: str, tmp_path: Path) -> None:
    open_lab(page)
    tick(page, "Thumbnail", "Noise alone")
    page.get_by_role("button", name="Compare", exact=True).click()
    compared(page)
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
    truth, degraded = read_image(EILEEN), degrade_image(read_image(EILEEN), drawn("thumbnail", 1), 1)
    np.testing.assert_array_equal(pixels(archive, "1_thumbnail/degraded.png"), degraded)
    lines = list(csv.DictReader(io.StringIO(archive.read("metrics.csv").decode())))
    shown = float(re.search(r"PSNR ([\d.]+)", cell(page, 0, 2).get_attribute("aria-label") or "")[1])  # type: ignore[index]
    assert shown == round(psnr(pixels(archive, "1_thumbnail/restored.png"), truth), 2)
    assert f"{shown:.2f}" == f"{float(lines[1]['psnr_db']):.2f}"

    note, press = page.get_by_text("Made with other settings").first, page.locator("#compare-go")
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


def test_a_cell_opens_its_slider_and_gives_the_focus_back(page: Page) -> None:
    open_lab(page)
    tick(page, "Shaky hand")
    page.get_by_role("button", name="Compare", exact=True).click()
    compared(page)
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
    expect(page.locator(".grid-lab td.none")).to_have_text(
        "Nothing for it to undo"
    )  # Lanczos: nothing was made smaller


def measured(page: Page) -> list[tuple[str, str]]:
    """Row and column of every point of the map."""
    return page.locator(".heat button").evaluate_all("all => all.map(each => [each.dataset.row, each.dataset.column])")


def numbers(page: Page, values: list[tuple[float, float, float]]) -> None:
    for place, row in enumerate(values):
        for label, value in zip(("From", "To", "Steps"), row, strict=True):
            page.get_by_label(label, exact=True).nth(place).fill(str(value))


def test_a_sweep_is_drawn_live_and_a_point_opens_its_case(page: Page) -> None:
    open_sweep(page)
    numbers(page, [(5, 65 - 1, 3), (0, 60, 2)])
    page.get_by_role("button", name="Sweep", exact=True).click()
    expect(page.locator(".sweep-lab .verdict")).to_have_text("6 restorations measured")
    expect(page.locator(".heat button")).to_have_count(6)
    outside = page.locator('.heat button[aria-label*="outside the trained range"]')
    assert outside.count() == 4  # motion blur of 64 px, noise of 60
    assert page.locator('.heat td[class*="edge-"]').count() >= 1
    page.locator(".heat button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#case .caption")).to_contain_text("Motion blur 5 px at 0°, noise 60 grey levels")
    expect(page.locator("#case table")).to_be_visible()
    page.locator(".curves circle").first.dispatch_event("click")
    expect(page.locator("#case .caption")).to_contain_text("Motion blur 5 px at 0° ")
    expect(page.get_by_role("link", name="Download all (zip)")).to_be_visible()


def test_a_sweep_that_is_stopped_at_once_does_not_run_on(page: Page) -> None:
    open_sweep(page)
    page.locator("#sweep-go").click()
    page.locator("#sweep-stop").click()  # as soon as it can be pressed
    expect(page.locator("#sweep .sr[role=status]")).to_have_text(re.compile("^Stopped"))
    page.wait_for_timeout(3000)
    verdict = page.locator(".sweep-lab .verdict")
    if verdict.count():  # it had begun: else it was withdrawn, and nothing of it comes
        expect(verdict).to_have_text(re.compile(r"Stopped after \d+ of 48"))
        assert int(verdict.inner_text().split()[2]) <= 16  # the points at hand, not all


def test_a_sweep_is_stopped_and_what_it_measured_is_taken_home(page: Page, tmp_path: Path) -> None:
    open_sweep(page)
    press, stop, verdict = page.locator("#sweep-go"), page.locator("#sweep-stop"), page.locator(".sweep-lab .verdict")
    expect(stop).to_be_disabled()  # nothing runs
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
    assert page.locator(".curves li").count() == len({row for row, _ in measured(page)})  # of the curves that are there
    archive = fetched(page, tmp_path)
    reached = page.locator(".heat button").count()
    assert f"Stopped after {reached} of 48" == page.locator(".sweep-lab .verdict").inner_text()
    lines = list(csv.DictReader(io.StringIO(archive.read("metrics.csv").decode())))
    shown = page.locator('.heat button[data-column="3"][data-row="0"]').inner_text()
    assert float(shown.lstrip("▼±").replace("−", "-")) == pytest.approx(float(lines[3]["gain_psnr_db"]), abs=0.0051)
    assert archive.read("missing.txt").decode().startswith(f"This sweep was stopped after {reached} of 48 points.")
    assert {"recipe.json", "recipe.py", "plot.png", "plot.svg", "clean.png"} <= set(archive.namelist())
    expect(page.locator(".sweep-lab pre")).to_contain_text(f"itertools.islice(points, {reached})")
    assert reached == len(lines) < 48


def test_an_impossible_sweep_is_refused_in_words(page: Page) -> None:
    open_sweep(page)
    for values, words in (
        ((20, 10, 3), "choose a lowest value below"),
        ((4, 60, 2.5), "a whole number of steps, not 2.5"),
    ):
        numbers(page, [values])
        page.get_by_role("button", name="Sweep", exact=True).click()
        expect(page.get_by_test_id("toast-text").filter(visible=True)).to_have_text(re.compile(words))  # one at a time


def recipe(view: Any, fingerprint: str, face: str = "grace_hopper", **more: Any) -> Recipe:
    return Recipe(view=view, face=face, picture=picture_id(read_image(GRACE)), seed=5, model=fingerprint, **more)


def follow(page: Page, address: str, token: str) -> None:
    page.goto("about:blank")
    page.goto(f"{address}/#recipe={token}")


def test_a_link_repeats_a_comparison(page: Page, address: str, fingerprint: str, tmp_path: Path) -> None:
    own = Degradation(motion_length=11, motion_angle=30)
    wanted = recipe("compare", fingerprint, cases={"Thumbnail": drawn("thumbnail", 5), "My own settings": own})
    follow(page, address, wanted.to_token())
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


def test_a_link_repeats_an_experiment_and_its_zip(page: Page, address: str, fingerprint: str, tmp_path: Path) -> None:
    own = Degradation(noise=21, jpeg=40)
    wanted = recipe("test", fingerprint, cases={"My own settings": own})
    follow(page, address, wanted.to_token())
    expect(page.locator("#result .caption")).to_contain_text("Noise 21 grey levels, JPEG quality 40")
    expect(page.get_by_label("Seed").first).to_have_value("5")
    expect(page.get_by_text("Opening what the link describes")).to_have_count(0)
    page.locator("#result summary", has_text="Save and share").click()
    archive = fetched(page, tmp_path)
    expected = degrade_image(read_image(GRACE), own, 5)
    np.testing.assert_array_equal(pixels(archive, "1_my_own_settings/degraded.png"), expected)


def test_a_link_of_other_weights_says_so(page: Page, address: str) -> None:
    wanted = recipe("sweep", "000000000000", plan=SeverityGrid(Degradation(), Axis("noise", (10, 20))))
    follow(page, address, wanted.to_token())
    expect(page.get_by_text("made with other weights than those of this page")).to_be_visible()
    expect(page.locator(".sweep-lab .verdict")).to_have_text("2 restorations measured")


def test_a_damaged_link_is_refused_in_words(page: Page, address: str) -> None:
    follow(page, address, "nonsense")
    expect(page.get_by_text("This recipe is damaged")).to_be_visible()
    expect(page.get_by_text("Opening what the link describes")).to_have_count(0)


def test_a_link_of_somebody_s_own_face_shows_no_other_face_s_numbers(
    page: Page, address: str, fingerprint: str
) -> None:
    wanted = recipe("test", fingerprint, cases={"My own settings": Degradation(noise=21)}, face="")
    follow(page, address, wanted.to_token())
    expect(page.get_by_text("made with its author's own picture")).to_be_visible()
    expect(page.locator("#result .empty")).to_be_visible()
    expect(page.locator("#result table")).to_have_count(0)
    expect(page.locator("#face img")).to_have_count(0)


def test_the_code_is_there_to_copy(page: Page) -> None:
    page.locator("#result summary", has_text="Save and share").click()
    page.locator("#result summary", has_text="Show the code").click()
    expect(page.locator("#result pre")).to_contain_text("'Noise alone': Degradation(")
    page.locator("#result").get_by_role("button", name="Copy link").click()
    expect(page.locator("#result .share [role=status]")).to_contain_text("holds the settings, never the picture")


def test_a_photo_s_past_is_told_and_replayed(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    degraded = degrade_image(read_image(EILEEN), Degradation(downsample=6, noise=6, jpeg=60), 0)
    PIL.Image.fromarray(degraded).save(path)
    page.get_by_role("tab", name="Restore my photo").click()
    page.locator("#photo input[type=file]").first.set_input_files(path)
    expect(page.locator("#photo-result img").first).to_be_hidden()  # the picture that was there has gone
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#photo-result img").first).to_be_visible()
    page.get_by_role("button", name="What has this photo been through?").click()
    expect(page.locator("#estimate .verdict")).to_contain_text("holds detail of about")
    expect(page.locator("#estimate tbody tr")).to_have_count(4)
    page.get_by_role("button", name="What to expect?").click()
    expect(page.locator("#estimate h4")).to_have_text(["Eileen Collins", "Grace Hopper"], timeout=3 * SLOW)
    page.get_by_role("link", name="Open this experiment in the first tab").last.click()
    expect(page.locator("#result .caption")).to_contain_text("Downsampled", ignore_case=True)
    expect(page.get_by_label("Degradation", exact=True).first).to_have_value("Custom")


@pytest.mark.parametrize(
    ("scheme", "width", "language"),
    [("light", 390, "en"), ("dark", 1440, "en"), ("light", 1440, "zh-CN"), ("dark", 390, "zh-CN")],
)
def test_axe_finds_no_barrier(
    browser: Browser, address: str, tmp_path: Path, scheme: Any, width: int, language: str
) -> None:
    page = browser.new_page(color_scheme=scheme, locale=language, viewport={"width": width, "height": 900})
    page.set_default_timeout(SLOW)

    def check(where: str) -> None:
        page.wait_for_timeout(400)  # colours fade in
        found = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == [], where

    words = TABLES[language[:2]]
    page.goto(address)
    expect(page.locator("#result .verdict")).to_be_visible()
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    level = sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 3
    assert level < 40 if scheme == "dark" else level > 215  # as the system has it
    assert page.evaluate("document.documentElement.lang") == language
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
    page.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_speaks_chinese(browser: Browser, address: str, width: int) -> None:
    words = TABLES["zh"]
    page = browser.new_page(locale="zh-CN", viewport={"width": width, "height": 900})
    page.set_default_timeout(SLOW)
    page.goto(address)
    expect(page.get_by_role("button", name=words["degrade_restore"])).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("人脸修复，实测")
    expect(page.get_by_text(words["privacy"])).to_be_visible()
    preset = page.get_by_label(words["preset"], exact=True).first
    expect(preset).to_have_value(words[f"preset_{EXAMPLES[0].preset}"])
    preset.click()
    page.get_by_role("option", name=words["preset_shaky_hand"]).click()
    expect(page.get_by_text(words["about_shaky_hand"])).to_be_visible()
    page.get_by_label(words["seed"]).first.fill("-1")
    page.get_by_role("button", name=words["degrade_restore"]).first.click()
    expect(page.get_by_text("The seed must be a whole number")).to_be_visible()  # errors are English
    controls = "label > span, [data-testid=block-info], .press button, .note p, .top *, [role=tab]"
    names = re.compile("Eileen Collins|Grace Hopper")
    for tab in ("tab_degrade", "tab_photo", "tab_compare"):
        page.get_by_role("tab", name=words[tab]).click()
        expect(page.get_by_role("tabpanel").locator(".press button").filter(visible=True).first).to_be_visible()
        texts = page.locator(controls).filter(visible=True).all_inner_texts()
        assert [text for text in texts if re.search("[a-z]{4}", names.sub("", text))] == [], tab
    expect(page.locator("#grid .empty")).to_contain_text("每一行")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
