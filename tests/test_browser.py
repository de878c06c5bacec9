"""The page in a real browser, at desktop and at phone width: what a visitor does, and what they can trust."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from served import EILEEN, SLOW, download, in_browser, numbers, pixels, upload

from examples.make_examples import group
from restoration.degrade import degrade_image
from restoration.faces.pasting import Patch, blend
from restoration.images import Image, read_image
from restoration.measure import psnr, ssim
from restoration.page.site import EXAMPLES, drawn
from restoration.page.widgets import TABLES

pytestmark = in_browser
PANEL = "Where did it change the face?"
OUTDATED = "Made with what was set before"
ABOVE = "() => document.querySelector('#photo-result').getBoundingClientRect().top"
WIDTHS = "images => images.map(image => image.naturalWidth)"
FIRST = drawn(EXAMPLES[0].preset, EXAMPLES[0].seed)  # what the page opens with
# What is painted, and where, as soon as the heading is: kept as ``firstPaint``.
FIRST_PAINT = """window.painted = () => [...document.querySelectorAll('h1, main button, main input, main img, footer')]
  .filter(each => each.checkVisibility({visibilityProperty: true}))
  .map(each => [each.tagName, each.innerText, ...Object.values(each.getBoundingClientRect().toJSON()).map(Math.round)]);
const look = () => {
  if (document.querySelector('h1')?.checkVisibility({visibilityProperty: true})) window.firstPaint = window.painted();
  else requestAnimationFrame(look);
};
look();"""
# From now on, what of these parts of the page was there at any moment, and what it said: kept as ``seen``.
NOTE = """parts => { window.seen = new Set();
  new MutationObserver(() => parts.forEach(part => document.querySelectorAll(part).forEach(
    each => seen.add(part + ': ' + each.innerText)))).observe(
    document.body, {attributes: true, childList: true, subtree: true, characterData: true}); }"""
# How far the page moved by itself while it was put together: the browser's own sum (cumulative layout shift).
SHIFTED = """() => new Promise(done => { let sum = 0;
  new PerformanceObserver(list => list.getEntries().forEach(
    entry => { if (!entry.hadRecentInput) sum += entry.value; })).observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(sum), 200); })"""


def downloaded(page: Page, name: str, tmp_path: Path) -> Image:
    path = download(page, page.get_by_role("link", name=name), tmp_path)
    assert pixels(str(path)).shape == (512, 512, 3)
    return read_image(path)


def open_settings(page: Page) -> None:
    page.get_by_role("button", name="All settings").click()
    page.wait_for_timeout(700)  # Gradio mounts the controls now; what a robot types at once, it would overwrite


def own_face(folder: Path) -> tuple[Path, Image]:
    """Someone's clean face: the example mirrored, so that it cannot be taken for what was on the page before."""
    path = folder / "own.png"
    PIL.Image.fromarray(read_image(EILEEN)[:, ::-1]).save(path)
    return path, read_image(path)


def example(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Example: {name}")


def current(page: Page) -> Locator:
    """The examples that are marked as what is there."""
    return page.locator("[data-chip][aria-current=true]").filter(visible=True)


def test_the_first_screen_shows_a_measured_restoration_and_what_to_press(page: Page) -> None:
    first = EXAMPLES[0]
    truth = read_image(EILEEN.parent / f"{first.face}.png")
    degraded = degrade_image(truth, FIRST, first.seed)
    assert numbers(page, "Degraded input") == (round(psnr(degraded, truth), 2), round(ssim(degraded, truth), 3))
    assert page.locator("#result .verdict").inner_text().startswith("▲ Clearly closer")
    assert page.locator(".compare img").evaluate_all(WIDTHS) == [512] * 3
    button = page.get_by_role("button", name="Degrade & restore")
    expect(button).to_be_in_viewport(ratio=1)
    assert page.get_by_role("button").filter(visible=True).and_(page.locator(".primary")).count() == 1
    press, picture = button.bounding_box(), page.locator("#result .compare").bounding_box()
    assert press
    assert picture
    if page.viewport_size["width"] > 900:  # beside the picture
        assert 0 < picture["x"] - press["x"] - press["width"] < 60
        assert picture["y"] < press["y"] < picture["y"] + picture["height"]
    else:  # above it: it covers no line of the table
        assert press["y"] + press["height"] < picture["y"]
    examples = page.get_by_role("button", name="Example: ")
    expect(examples).to_have_count(6)
    expect(examples.last).to_contain_text("a hard one")
    expect(current(page)).to_have_count(1)
    expect(examples.first).to_have_attribute("aria-current", "true")
    text = page.locator("body").inner_text() + str(
        page.locator("[aria-label]").evaluate_all("all => all.map(e => e.ariaLabel)")
    )
    assert not re.search(r"__|embedded|\w+_(recogniser|phone|noise|motion)", text)  # names of the code, not of the page

    slider = page.get_by_role("slider", name="Divider: Degraded on the left, Restored on the right")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "60 percent")
    assert page.locator(".compare").evaluate("figure => figure.style.getPropertyValue('--at')") == "60%"
    clean = page.locator("#result .truth")
    expect(clean).to_be_hidden()
    page.get_by_role("button", name="Show the clean original").click()
    expect(clean).to_be_visible()
    expect(page.locator("#result .compare input")).to_be_hidden()
    page.get_by_role("button", name="Back to the slider").click()
    expect(clean).to_be_hidden()
    expect(page.locator("#result .compare input")).to_be_visible()
    page.locator("#result summary", has_text="Save and share").click()
    page.locator("#result summary", has_text="Show the code").click()
    expect(page.locator("#result pre")).to_contain_text("'Noise alone': Degradation(")
    page.locator("#result").get_by_role("button", name="Copy link").click()
    expect(page.locator("#result .share [role=status]")).to_contain_text("holds the settings, never the picture")


def selected(page: Page) -> Locator:
    return page.locator("#tabs [role=tab][aria-selected=true]")


@pytest.mark.parametrize("width", [1440, 390])
def test_the_first_paint_is_whole_and_each_tab_has_its_address(browser: Browser, address: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 850})
    page.set_default_timeout(SLOW)
    page.add_init_script(FIRST_PAINT)

    def arrive(tab: str) -> None:
        expect(selected(page)).to_have_text(tab)
        expect(page.locator(".press button").filter(visible=True).first).to_be_visible()
        first = page.wait_for_function("window.firstPaint").json_value()
        page.wait_for_timeout(1500)
        assert first == page.evaluate("window.painted()")
        assert len(first) > 10
        expect(page.get_by_text("Loading...")).to_be_hidden()  # Gradio's own mark

    page.goto(address)
    arrive("Test on a clean face")
    assert page.evaluate(SHIFTED) < 0.1  # what Google's Core Web Vitals call good
    for tab in ("Compare", "Restore my photo"):
        page.get_by_role("tab", name=tab).click()
        expect(page).to_have_url(re.compile(r"\?tab=\w+$"))
    page.go_back()
    expect(selected(page)).to_have_text("Compare")
    page.go_back()
    expect(selected(page)).to_have_text("Test on a clean face")
    page.go_forward()
    page.reload()
    arrive("Compare")
    page.locator("footer").get_by_role("button", name="Settings").click()
    page.get_by_label("Language").click()
    page.get_by_role("option", name="简体中文").click()
    expect(selected(page)).to_have_text(TABLES["zh"]["tab_compare"])
    page.locator(".theme-button button").nth(1).click()  # dark: Gradio loads the page anew
    expect(page.locator("body.dark")).to_have_count(1)
    expect(selected(page)).to_have_text(TABLES["zh"]["tab_compare"])
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.close()


def test_controls_have_their_effect_and_a_result_says_when_it_no_longer_belongs_to_them(page: Page) -> None:
    note, save = page.get_by_text(OUTDATED), page.locator("#result summary", has_text="Save and share")
    restore, caption = page.get_by_role("button", name="Degrade & restore"), page.locator("#result .caption")
    preset = page.get_by_label("Degradation", exact=True)
    preset.click()
    preset.press("Tab")  # left as it was
    page.wait_for_timeout(500)
    expect(note).to_be_hidden()
    expect(save).to_be_visible()
    page.get_by_role("button", name="New seed").click()
    expect(note).to_be_visible()
    expect(save).to_be_hidden()
    expect(current(page)).to_have_count(0)
    restore.press("Enter")
    expect(note).to_be_hidden()
    expect(save).to_be_visible()
    expect(restore).to_be_focused()  # it was off meanwhile

    page.evaluate(NOTE, ["[data-chip][aria-busy]", ".examination progress"])
    example(page, "Grace Hopper, CCTV").evaluate(
        "button => { button.click(); document.querySelector('#result ~ .examine button').click(); }"
    )  # the panel's press comes while the example is being made: it is kept
    expect(caption).to_contain_text("monochrome")
    expect(current(page)).to_have_text(re.compile("CCTV"))
    expect(preset).to_have_value("CCTV")
    panel = page.locator(".examination section")
    expect(panel.locator("figure")).to_have_count(4)
    expect(page.get_by_text("Looking at the face …")).to_have_count(0)
    assert page.evaluate("[...seen]") == ["[data-chip][aria-busy]: Restoring…", ".examination progress: "]
    expect(panel).not_to_contain_text(re.compile("Of face|foretold"))
    for image in panel.locator("img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
    assert panel.locator("img").evaluate_all(WIDTHS) == [512] * 4
    assert panel.locator("img").evaluate_all("images => images.every(i => i.alt.length > 20)")
    expect(panel.get_by_role("row")).to_have_count(6)
    expect(panel).to_contain_text("Whole picture")

    open_settings(page)
    expect(page.get_by_role("checkbox", name="Monochrome")).to_be_checked()
    expect(page.get_by_role("spinbutton", name=re.compile("Downsampling"))).to_have_value("8")
    angle = page.get_by_role("spinbutton", name=re.compile("Motion blur angle"))
    expect(angle).to_be_disabled()  # no motion blur: the angle cannot change anything
    length = page.get_by_role("spinbutton", name=re.compile("Motion blur length"))
    length.fill("31")
    length.press("Enter")
    expect(angle).to_be_enabled()
    expect(preset).to_have_value("Custom")
    page.get_by_role("button", name="Degrade", exact=True).click()
    expect(caption).to_contain_text("Motion blur 31 px")
    expect(panel).to_have_count(0)  # it was about another result
    expect(page.locator("#result .tag.right")).to_have_text("Degraded")
    expect(page.get_by_role("button", name=PANEL)).to_have_count(0)  # there is no restored face to look at
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    seed = page.get_by_label("Seed").filter(visible=True)
    with page.expect_response(lambda answer: "/queue/data" in answer.url):  # what is typed is sent, and no error
        seed.fill("")
    expect(note).to_be_visible()
    expect(page.get_by_text("The seed must be")).to_have_count(0)
    restore.click()
    expect(page.get_by_text("The seed must be a whole number from 0 to 2147483647. It is empty.")).to_have_count(1)
    seed.fill("3")
    restore.click()
    expect(caption).to_contain_text(re.compile("restored in"))


def test_a_clean_face_is_uploaded_degraded_restored_measured_and_downloaded(page: Page, tmp_path: Path) -> None:
    path, truth = own_face(tmp_path)
    upload(page, path, "#face")
    before, button = page.locator("#result .after").get_attribute("src"), page.locator(".press button.primary").first
    expect(page.get_by_text(OUTDATED)).to_be_visible()
    expect(button).to_be_enabled()  # the picture was looked at
    runs: list[str] = []
    page.on("request", lambda asked: runs.append(asked.url) if asked.url.endswith("/queue/join?") else None)
    page.evaluate(NOTE, [".primary:disabled"])
    button.dblclick()
    expect(page.locator("#result .compare")).to_be_in_viewport(timeout=2000)  # at the start
    expect(button).to_have_text("Degrade & restore")
    expect(button).to_be_enabled()
    assert len(runs) == 1
    assert ".primary:disabled: Restoring…" in page.evaluate("[...seen]")
    expect(page.locator("#result .after")).not_to_have_attribute("src", before or "")
    page.locator("#result summary", has_text="Save and share").click()
    restored = downloaded(page, "Download restored face", tmp_path)
    degraded = downloaded(page, "Download Degraded as PNG", tmp_path)
    np.testing.assert_array_equal(degraded, degrade_image(truth, FIRST, EXAMPLES[0].seed))
    for row, image in (("Degraded input", degraded), ("Restored", restored)):
        assert numbers(page, row) == (round(psnr(image, truth), 2), round(ssim(image, truth), 3))
    share = page.get_by_role("button", name="A picture to share")
    with PIL.Image.open(download(page, share, tmp_path)) as picture:
        assert picture.size[0] > 3 * 512
    with PIL.Image.open(download(page, page.get_by_role("button", name="A short wipe to share"), tmp_path)) as wipe:
        assert getattr(wipe, "n_frames", 1) > 20

    scene = PIL.Image.new("RGBA", (300, 200), (90, 140, 90, 100))
    scene.save(tmp_path / "scene.webp", save_all=True, append_images=[PIL.Image.new("RGBA", (300, 200), "red")])
    box = page.get_by_label("Use its centre all the same")
    expect(box).to_be_hidden()
    upload(page, tmp_path / "scene.webp", "#face")
    for said in ("No face was found", "the first is used", "laid over white"):
        expect(page.get_by_text(said).first).to_be_visible()
    expect(button).to_be_enabled()
    before = page.locator("#result .after").get_attribute("src") or ""
    button.click()
    expect(page.get_by_text("Tick “Use its centre all the same”")).to_be_visible()
    expect(page.locator("#result .after")).to_have_attribute("src", before)
    box.check()
    button.click()
    expect(page.locator("#result .after")).not_to_have_attribute("src", before)
    expect(page.locator("#result .notes")).to_contain_text("centred 200 × 200 square")
    expect(page.locator("#result")).to_contain_text("Identity is not measured")  # there is nobody
    (tmp_path / "text.jpg").write_text("No picture.")
    page.locator("#face input[type=file]").first.set_input_files(tmp_path / "text.jpg")
    expect(page.get_by_text("This is not a picture")).to_be_visible()
    expect(page.locator("#face img")).to_have_count(0)


def saved(page: Page, tmp_path: Path) -> Image:
    return read_image(download(page, page.get_by_role("button", name="Download photo"), tmp_path))


def test_faces_of_a_photo_are_found_chosen_restored_looked_at_and_downloaded(page: Page, tmp_path: Path) -> None:
    truth = group()
    PIL.Image.fromarray(truth).save(tmp_path / "photo.png")
    page.get_by_role("button", name="Restore a photo of your own").click()
    upload(page, tmp_path / "photo.png", "#photo")
    expect(page.locator("#faces .box")).to_have_count(2)
    expect(page.locator("#faces .found")).to_have_text("2 faces found by the built-in detector.")
    expect(page.locator("#faces .thumbs img")).to_have_count(2)
    press = page.get_by_role("button", name="Restore", exact=True)
    expect(press).to_be_in_viewport(ratio=1)
    uncovered = """button => { const box = button.getBoundingClientRect();
      return [.02, .2, .4, .6, .8, .98].every(x => [.1, .3, .5, .7, .9].every(y =>
        button.contains(document.elementFromPoint(box.left + x * box.width, box.top + y * box.height)))); }"""
    assert press.evaluate(uncovered)  # by what scrolls under it
    verdict, panels = page.locator("#photo-result .verdict"), page.locator(".examination section").filter(visible=True)
    press.click()
    expect(verdict).to_have_text("2 faces restored and put back")
    page.get_by_role("button", name=PANEL).filter(visible=True).click()
    expect(panels).to_contain_text("Of face 1, the first of those")
    page.get_by_role("button", name="What has this photo been through?").click()
    expect(page.locator("#estimate .verdict")).to_contain_text("holds detail of about")
    expect(page.locator("#estimate tbody tr")).to_have_count(4)
    expect(page.locator("#estimate")).to_contain_text("Of face 1, the first of those")

    two = page.get_by_role("checkbox", name="Face 2")
    two.uncheck()
    two.evaluate("box => box.scrollIntoView({block: 'end'})")  # as a visitor leaves it who has ticked faces
    press.click()
    page.get_by_role("button", name=PANEL).filter(visible=True).click()  # while it is being made: of what comes
    expect(verdict).to_have_text("1 face restored and put back")
    page.wait_for_function("() => Math.abs(document.querySelector('#photo-result').getBoundingClientRect().top) < 90")
    expect(page.locator("#photo-result .pairs li")).to_have_count(1)
    expect(page.locator("#photo-result table")).to_have_count(0)
    expect(panels.locator("figure")).to_have_count(2)
    expect(panels).not_to_contain_text(re.compile("measured|Of face"))  # there is no truth
    press_zip = page.get_by_role("button", name="Download all (zip)").filter(visible=True)
    packed = zipfile.ZipFile(download(page, press_zip, tmp_path))
    assert packed.namelist() == [
        "restored.png", "faces/face_1_before.png", "faces/face_1_restored.png", "restoration.json",
    ]  # fmt: skip
    facts = json.loads(packed.read("restoration.json"))
    assert (facts["detector"], facts["scale"], facts["strength"]) == ("embedded", 1, 1)
    assert [face["number"] for face in facts["faces"]] == [1]
    assert facts["model"]["fingerprint"]
    assert facts["seconds"]["network"] > 0
    after = page.locator("#photo-result .compare .after")
    expect(after).to_have_css("opacity", "1")
    whole = saved(page, tmp_path)
    np.testing.assert_array_equal(read_image(packed.read("restored.png")), whole)
    left, right = (np.abs(whole[:, part].astype(int) - truth[:, part]).max() for part in (np.s_[:380], np.s_[420:]))
    assert left == 0  # the second face was not chosen
    assert right > 0
    slider = page.get_by_role("slider", name=re.compile("Strength"))
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    expect(after).to_have_css("opacity", "0.5")  # in the browser, without asking the server
    np.testing.assert_array_equal(saved(page, tmp_path), blend(truth, [Patch(0, 0, whole)], [0.5]))

    page.get_by_role("button", name="Degrade a face of this photo, then restore it").click()
    page.get_by_role("button", name="Degrade & restore this face").click()
    expect(page.locator("#face-result table tbody tr")).to_have_count(2)
    page.get_by_role("button", name="What to expect?").click()
    expect(page.locator("#estimate h4")).to_have_text(["Eileen Collins", "Grace Hopper"], timeout=3 * SLOW)
    page.get_by_role("link", name="Open this experiment in the first tab").last.click()
    expect(page.get_by_label("Degradation", exact=True).first).to_have_value("Custom")
    expect(page.locator("#result .caption")).to_contain_text("restored in")


def test_the_photo_tab_opens_with_a_result_and_a_press_restores_another_photograph(page: Page) -> None:
    page.get_by_role("tab", name="Restore my photo").click()
    shown, verdict = page.locator("#photo-result"), page.locator("#photo-result .verdict")
    expect(verdict).to_have_text("1 face restored and put back")
    expect(current(page)).to_have_text(re.compile("Blurred"))
    assert page.viewport_size
    tops = [page.locator(area).bounding_box() for area in ("#photo", "#photo-result", "#faces")]
    places = [(box["y"], box["x"]) for box in tops if box]
    phone = page.viewport_size["width"] < 900
    assert places == sorted(places) if phone else places[1] < places[0] < places[2]
    if phone:  # the button covers no line that is read there
        button, picture = (page.locator(area).bounding_box() for area in ("#photo-desk .press", "#photo"))
        assert button
        assert picture
        assert button["y"] + button["height"] <= picture["y"]
    panes = shown.locator(".loupe i")
    place = "panes => panes.map(i => getComputedStyle(i)).map(i => i.backgroundSize + i.backgroundPosition)"
    at_first = panes.evaluate_all(place)
    expect(page.locator("#photo-desk .samples button")).to_have_count(4)
    page.get_by_role("button", name="Several faces").click()
    expect(verdict).to_have_text("2 faces restored and put back")
    expect(current(page)).to_have_text(re.compile("Several faces"))
    expect(page.get_by_role("checkbox", name="Face 2")).to_be_checked()
    expect(page.locator("#faces .box")).to_have_count(2)
    on_a_face = panes.evaluate_all(place)
    assert len(set(on_a_face)) == 1  # before and after show one place: the largest face
    assert on_a_face != at_first
    shown.locator(".compare.photo").hover(position={"x": 40, "y": 40})
    pointed = panes.evaluate_all(place)
    page.keyboard.press("Tab")
    shown.locator(".loupe").focus()
    page.keyboard.press("ArrowRight")
    moved = panes.evaluate_all(place)
    assert len({on_a_face[0], pointed[0], moved[0]}) == 3
    assert len(set(pointed)) == len(set(moved)) == 1
    for asked in ("What has this photo been through?", "What to expect?"):  # the second while the first is answered
        page.get_by_role("button", name=asked).click()
    expect(page.locator("#estimate")).to_contain_text("What to expect: the same")
    page.get_by_role("button", name="Open face 1 large").click()
    viewer = page.get_by_role("dialog", name="Face 1, before and after")
    box = viewer.locator(".compare").bounding_box()
    assert box
    assert box["width"] > 0.75 * min(page.viewport_size["width"], 640)
    assert viewer.locator("img").evaluate_all(WIDTHS) == [512] * 2
    viewer.get_by_role("button", name="Face 2 ›").click()
    page.keyboard.press("End")
    expect(page.get_by_role("dialog").get_by_role("slider")).to_have_attribute("aria-valuetext", "100 percent")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Open face 2 large")).to_be_focused()


# From now on, every state of the result, what the button said then, and where the result's top was.
NOTE_STATES = """() => { window.states = [];
  const [column, button] = ['.shown', '.press button'].map(part => document.querySelector('#photo-desk ' + part));
  const note = () => states.push([column.dataset.state, button.innerText, button.disabled,
    document.querySelector('#photo-result').getBoundingClientRect().top]);
  new MutationObserver(note).observe(column, {attributes: true});
  const all = {attributes: true, childList: true, subtree: true, characterData: true};
  new MutationObserver(note).observe(button, all); }"""


def test_a_photo_s_result_is_never_shown_as_that_of_another_photo_or_choice(page: Page, tmp_path: Path) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("tab", name="Restore my photo").click()
    desk, verdict = page.locator("#photo-desk"), page.locator("#photo-result .verdict")
    save, restore = page.get_by_role("button", name="Download photo"), desk.locator(".press button")
    panel = page.get_by_role("button", name=PANEL).filter(visible=True)
    expect(save).to_be_visible()
    expect(panel).to_be_visible()
    page.get_by_label("Twice as large").check()
    expect(page.get_by_text(OUTDATED)).to_be_visible()
    expect(save).to_be_hidden()
    page.evaluate(NOTE_STATES)
    joined: list[str] = []
    page.on("request", lambda asked: joined.append(asked.post_data or "") if "/queue/join" in asked.url else None)
    restore.evaluate("button => { button.scrollIntoView(); button.click(); button.click(); }")
    expect(page.locator("#photo-result .caption")).to_contain_text("680 × 800 pixels")
    expect(save).to_be_visible()
    expect(restore).to_be_enabled()
    expect(restore).to_have_text("Restore")
    assert len(joined) == 1  # two presses are one
    states = page.evaluate("states")
    assert states[0][0] == "waiting"  # at once, with the download off, and with the result in view
    assert -1 <= states[0][3] < 300
    assert ["Restoring…", True] in [state[1:3] for state in states if state[0] == "waiting"]
    assert -1 <= page.evaluate(ABOVE) < 300  # and it stays there
    page.get_by_role("checkbox", name="Face 1").uncheck()
    expect(restore).to_be_disabled()  # there is nothing to restore
    page.get_by_role("checkbox", name="Face 1").check()
    expect(restore).to_be_enabled()

    line = page.context.new_cdp_session(page)
    slow: dict[str, Any] = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
    line.send("Network.emulateNetworkConditions", slow)
    page.locator("#photo input[type=file]").set_input_files(EILEEN)
    expect(restore).to_be_disabled()  # what is being uploaded is not known
    expect(page.locator("#photo .uploading")).to_be_visible()
    expect(verdict).to_be_hidden()
    line.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    expect(restore).to_be_enabled()
    expect(page.locator("#faces .box")).to_have_count(1)

    path = tmp_path / "broken.jpg"
    PIL.Image.open(EILEEN).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:5000])
    page.locator("#photo").get_by_label("Remove Image").click()
    expect(page.locator("#faces .box")).to_have_count(0)
    page.locator("#photo input[type=file]").set_input_files(path)
    expect(page.get_by_text("damaged or cut short")).to_be_visible()
    expect(page.locator("#photo img")).to_have_count(0)  # no broken picture stays behind
    for gone in (verdict, save, panel, page.get_by_role("slider", name=re.compile("Strength"))):
        expect(gone).to_be_hidden()
    expect(page.get_by_text("The restored photo appears here.")).to_be_visible()
    wall = PIL.Image.fromarray(np.full((200, 300, 4), (120, 120, 120, 128), np.uint8))
    wall.save(tmp_path / "wall.png", save_all=True, append_images=[PIL.Image.new("RGBA", wall.size)])
    upload(page, tmp_path / "wall.png", "#photo")
    expect(page.get_by_text("damaged or cut short")).to_have_count(0)
    expect(page.locator("#faces .found")).to_contain_text("No face was found")
    expect(page.locator("#faces :is(b, .thumbs span)")).to_have_count(0)  # its square is numbered as no face
    expect(page.get_by_text(re.compile("Of . pictures in the file the first is taken."))).to_be_visible()
    expect(page.get_by_text("Its transparency is dropped")).to_be_visible()
    square = page.get_by_role("checkbox", name="The centred square")
    expect(square).not_to_be_checked()
    expect(restore).to_be_disabled()  # nothing is restored that nobody asked for
    square.check()
    restore.click()
    expect(verdict).to_have_text("The centred square restored and put back")
    expect(page.locator("#photo-result .caption").first).to_contain_text("No face was found")
    assert PIL.Image.open(download(page, save, tmp_path)).mode == "RGBA"
