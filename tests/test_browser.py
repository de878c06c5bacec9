"""The page in a real browser, at desktop and at phone width: what a visitor does, and what they can trust."""

import json
import re
import time
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from served import EILEEN, ROOT, SLOW, download, in_browser, numbers, pixels, running_app, upload

from examples.make_examples import group
from restoration.degrade import degrade_image
from restoration.faces.pasting import Patch, blend
from restoration.images import Image, read_image
from restoration.measure import psnr, ssim
from restoration.page.site import EXAMPLES, drawn
from restoration.page.widgets import TABLES

pytestmark = in_browser
PANEL = "Where did it change the face?"
ABOVE = "() => document.querySelector('#photo-result').getBoundingClientRect().top"
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


def downloaded(page: Page, name: str, tmp_path: Path) -> Image:
    path = download(page, page.get_by_role("link", name=name), tmp_path)
    assert pixels(str(path)).shape == (512, 512, 3)
    return read_image(path)


def open_menu(page: Page) -> None:
    page.locator("#result summary", has_text="Save and share").click()


def shifted(page: Page) -> float:
    """How far the page moved by itself while it was put together: the browser's own sum (cumulative layout shift)."""
    page.wait_for_timeout(1000)
    total = page.evaluate(
        """() => new Promise(done => { let sum = 0;
        new PerformanceObserver(list => list.getEntries().forEach(
          entry => { if (!entry.hadRecentInput) sum += entry.value; })).observe({type: 'layout-shift', buffered: true});
        setTimeout(() => done(sum), 200); })"""
    )
    return float(total)


def open_settings(page: Page) -> None:
    page.get_by_role("button", name="All settings").click()
    page.wait_for_timeout(700)  # Gradio mounts the controls now; what a robot types at once, it would overwrite


def upload_photo(page: Page, folder: Path, photo: Image) -> None:
    PIL.Image.fromarray(photo).save(folder / "photo.png")
    page.get_by_role("tab", name="Restore my photo").click()
    upload(page, folder / "photo.png", "#photo")


def own_face(folder: Path) -> tuple[Path, Image]:
    """Someone's clean face: the example mirrored, so that it cannot be taken for what was on the page before."""
    path = folder / "own.png"
    PIL.Image.fromarray(read_image(EILEEN)[:, ::-1]).save(path)
    return path, read_image(path)


def test_the_first_screen_shows_a_measured_restoration_and_what_to_press(page: Page) -> None:
    first = EXAMPLES[0]
    truth = read_image(EILEEN.parent / f"{first.face}.png")
    degraded = degrade_image(truth, FIRST, first.seed)
    assert numbers(page, "Degraded input") == (round(psnr(degraded, truth), 2), round(ssim(degraded, truth), 3))
    assert page.locator("#result .verdict").inner_text().startswith("▲ Clearly closer")
    assert page.locator(".compare img").evaluate_all("images => images.map(i => i.naturalWidth)") == [512] * 3
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
    text = page.locator("body").inner_text() + str(
        page.locator("[aria-label]").evaluate_all("all => all.map(e => e.ariaLabel)")
    )
    assert not re.search(r"__|embedded|\w+_(recogniser|phone|noise|motion)", text)  # names of the code, not of the page


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
        page.wait_for_timeout(3000)
        assert first == page.evaluate("window.painted()")
        assert len(first) > 10
        expect(page.get_by_text("Loading...")).to_be_hidden()  # Gradio's own mark

    page.goto(address)
    arrive("Test on a clean face")
    assert shifted(page) < 0.1  # what Google's Core Web Vitals call good
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


def test_the_clean_original_is_behind_a_button_of_the_slider(page: Page) -> None:
    clean, before = page.locator("#result .truth"), page.locator("#result .compare input")
    expect(clean).to_be_hidden()
    page.get_by_role("button", name="Show the clean original").click()
    expect(clean).to_be_visible()
    expect(before).to_be_hidden()
    page.get_by_role("button", name="Back to the slider").click()
    expect(clean).to_be_hidden()
    expect(before).to_be_visible()


def test_a_result_that_no_longer_belongs_to_what_is_set_says_so_until_it_is_made_anew(
    page: Page, tmp_path: Path
) -> None:
    result, save = page.locator("#result"), page.locator("#result summary", has_text="Save and share")
    expect(save).to_be_visible()
    page.get_by_role("button", name="New seed").click()
    expect(result).to_have_class(re.compile(r"\bstale\b"))
    expect(page.get_by_text("Made with the face and settings before")).to_be_visible()
    expect(save).to_be_hidden()
    page.get_by_role("button", name="Degrade & restore").click()
    expect(result).not_to_have_class(re.compile(r"\bstale\b"))
    expect(save).to_be_visible()
    upload(page, own_face(tmp_path)[0], "#face")
    expect(result).to_have_class(re.compile(r"\bstale\b"))
    page.get_by_role("button", name="Example: ").first.click()
    expect(result).not_to_have_class(re.compile(r"\bstale\b"))


def test_a_clean_face_is_uploaded_degraded_restored_measured_and_downloaded(page: Page, tmp_path: Path) -> None:
    path, truth = own_face(tmp_path)
    upload(page, path, "#face")
    before, button = page.locator("#result .after").get_attribute("src"), page.locator(".press button.primary").first
    expect(button).to_be_enabled()  # the picture was looked at
    runs: list[str] = []
    page.on("request", lambda asked: runs.append(asked.url) if asked.url.endswith("/queue/join?") else None)
    button.dblclick()
    expect(button).to_have_text("Restoring…", timeout=2000)
    expect(button).to_be_disabled()
    expect(page.locator("#result .compare")).to_be_in_viewport(timeout=2000)  # at the start
    expect(button).to_have_text("Degrade & restore")
    expect(button).to_be_enabled()
    assert len(runs) == 1
    expect(page.locator("#result .after")).not_to_have_attribute("src", before or "")
    open_menu(page)
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
    page.get_by_role("button", name="Copy link").filter(visible=True).click()
    expect(page.locator("#result .share")).to_contain_text("The link holds the settings, never the picture.")


def test_the_centre_of_a_picture_without_a_face_is_used_when_asked(page: Page, tmp_path: Path) -> None:
    scene = PIL.Image.new("RGBA", (300, 200), (90, 140, 90, 100))
    scene.save(tmp_path / "scene.webp", save_all=True, append_images=[PIL.Image.new("RGBA", (300, 200), "red")])
    box, button = page.get_by_label("Use its centre all the same"), page.get_by_role("button", name="Degrade & restore")
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


def test_faces_of_a_photo_are_found_chosen_restored_and_downloaded(page: Page, tmp_path: Path) -> None:
    truth = group()
    upload_photo(page, tmp_path, truth)
    expect(page.locator("#faces .box")).to_have_count(2)
    expect(page.locator("#faces .found")).to_have_text("2 faces found by the built-in detector.")
    expect(page.locator("#faces .thumbs img")).to_have_count(2)
    press = page.get_by_role("button", name="Restore", exact=True)
    expect(press).to_be_in_viewport(ratio=1)
    uncovered = """button => { const box = button.getBoundingClientRect();
      return [.02, .2, .4, .6, .8, .98].every(x => [.1, .3, .5, .7, .9].every(y =>
        button.contains(document.elementFromPoint(box.left + x * box.width, box.top + y * box.height)))); }"""
    assert press.evaluate(uncovered)  # by what scrolls under it
    page.get_by_role("checkbox", name="Face 2").uncheck()
    press.evaluate("button => button.scrollIntoView()")
    stays = page.viewport_size["width"] >= 900  # on a desktop the result stays in view, and so does the button
    assert page.evaluate(ABOVE) < (30 if stays else 0)  # as a visitor leaves it who has ticked faces
    press.click()
    expect(page.locator("#photo-result .verdict")).to_have_text("1 face restored and put back")
    page.wait_for_function("() => Math.abs(document.querySelector('#photo-result').getBoundingClientRect().top) < 30")
    expect(page.locator("#photo-result .pairs li")).to_have_count(1)
    expect(page.locator("#photo-result table")).to_have_count(0)
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


def saved(page: Page, tmp_path: Path) -> Image:
    return read_image(download(page, page.get_by_role("button", name="Download photo"), tmp_path))


def test_a_face_of_a_photo_is_degraded_and_measured_against_itself(page: Page, tmp_path: Path) -> None:
    upload_photo(page, tmp_path, group())
    expect(page.locator("#faces .box")).to_have_count(2)
    page.get_by_role("button", name="Degrade a face of this photo, then restore it").click()
    page.get_by_role("button", name="Degrade & restore this face").click()
    expect(page.locator("#face-result table tbody tr")).to_have_count(2)


def test_the_photo_tab_opens_with_a_result_and_a_press_restores_another_photograph(page: Page) -> None:
    page.get_by_role("tab", name="Restore my photo").click()
    shown, verdict = page.locator("#photo-result"), page.locator("#photo-result .verdict")
    expect(verdict).to_have_text("1 face restored and put back")
    assert page.viewport_size
    tops = [page.locator(area).bounding_box() for area in ("#photo", "#photo-result", "#faces")]
    places = [(box["y"], box["x"]) for box in tops if box]
    phone = page.viewport_size["width"] < 900
    assert places == sorted(places) if phone else places[1] < places[0] < places[2]
    panes = shown.locator(".loupe i")
    place = "panes => panes.map(i => getComputedStyle(i)).map(i => i.backgroundSize + i.backgroundPosition)"
    at_first = panes.evaluate_all(place)
    expect(page.locator("#photo-desk .samples button")).to_have_count(4)
    page.get_by_role("button", name="Several faces").click()
    expect(verdict).to_have_text("2 faces restored and put back")
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
    widths = "images => images.map(i => i.naturalWidth)"
    page.get_by_role("button", name="Open face 1 large").click()
    viewer = page.get_by_role("dialog", name="Face 1, before and after")
    box = viewer.locator(".compare").bounding_box()
    assert box
    assert box["width"] > 0.75 * min(page.viewport_size["width"], 640)
    assert viewer.locator("img").evaluate_all(widths) == [512] * 3
    viewer.get_by_role("button", name="Face 2 ›").click()
    page.keyboard.press("End")
    expect(page.get_by_role("dialog").get_by_role("slider")).to_have_attribute("aria-valuetext", "100 percent")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Open face 2 large")).to_be_focused()


# From now on, every state of the result, what the button said then, and where the result's top was.
NOTE_STATES = """() => { window.states = [];
  const desk = document.querySelector('#photo-desk'), button = desk.querySelector('.press button');
  const note = () => states.push([desk.dataset.result, button.innerText, button.disabled,
    document.querySelector('#photo-result').getBoundingClientRect().top]);
  new MutationObserver(note).observe(desk, {attributes: true});
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
    expect(page.get_by_text("Made with other faces or another size")).to_be_visible()
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
    path = tmp_path / "broken.jpg"
    PIL.Image.open(EILEEN).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:5000])
    page.locator("#photo").get_by_label("Remove Image").click()
    expect(verdict).to_be_hidden()
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
    expect(page.get_by_text(re.compile("Of . pictures in the file the first is taken."))).to_be_visible()
    expect(page.get_by_text("Its transparency is dropped")).to_be_visible()
    square = page.get_by_role("checkbox", name="The centred square")
    expect(square).not_to_be_checked()
    restore.click()
    expect(page.get_by_text("No face was found in this photo. If one fills its centre")).to_be_visible()
    expect(verdict).to_be_hidden()  # nothing is restored that nobody asked for
    square.check()
    restore.click()
    expect(verdict).to_have_text("The centred square restored and put back")
    expect(page.locator("#photo-result .caption").first).to_contain_text("No face was found")
    assert PIL.Image.open(download(page, save, tmp_path)).mode == "RGBA"


def test_one_click_loads_an_example_with_its_settings(page: Page) -> None:
    page.get_by_role("button", name="Example: Grace Hopper, CCTV").click()
    expect(page.locator("#result .caption")).to_contain_text("monochrome")
    expect(page.get_by_label("Degradation", exact=True)).to_have_value("CCTV")
    open_settings(page)
    expect(page.get_by_role("checkbox", name="Monochrome")).to_be_checked()
    expect(page.get_by_role("spinbutton", name=re.compile("Downsampling"))).to_have_value("8")


def test_a_changed_control_has_its_effect_and_makes_the_preset_custom(page: Page) -> None:
    open_settings(page)
    angle = page.get_by_role("spinbutton", name=re.compile("Motion blur angle"))
    expect(angle).to_be_disabled()  # no motion blur: the angle cannot change anything
    length = page.get_by_role("spinbutton", name=re.compile("Motion blur length"))
    length.fill("31")
    length.press("Enter")
    expect(angle).to_be_enabled()
    expect(page.get_by_label("Degradation", exact=True)).to_have_value("Custom")
    page.get_by_role("button", name="Degrade", exact=True).click()
    expect(page.locator("#result .caption")).to_contain_text("Motion blur 31 px")
    expect(page.locator("#result .tag.right")).to_have_text("Degraded")
    expect(page.get_by_role("button", name=PANEL)).to_have_count(0)  # there is no restored face to look at
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_seed_that_is_being_typed_is_no_error_until_a_button_is_pressed(page: Page) -> None:
    seed = page.get_by_label("Seed").filter(visible=True)
    seed.fill("")
    page.wait_for_timeout(1500)
    expect(page.get_by_text("The seed must be")).to_have_count(0)
    page.get_by_role("button", name="Degrade & restore").click()
    expect(page.get_by_text("The seed must be a whole number from 0 to 2147483647. It is empty.")).to_have_count(1)
    seed.fill("3")
    page.get_by_role("button", name="Degrade & restore").click()
    expect(page.locator("#result .caption")).to_contain_text(re.compile("restored in"))


def test_the_slider_is_driven_by_the_keyboard(page: Page) -> None:
    slider = page.get_by_role("slider", name="Divider: Degraded on the left, Restored on the right")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "60 percent")
    assert page.locator(".compare").evaluate("figure => figure.style.getPropertyValue('--at')") == "60%"


def test_a_visitors_files_expire_and_the_first_example_stays(browser: Browser, tmp_path: Path) -> None:
    soon = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import app; app.FILES_EXPIRE = 12; app.main()"
    cache = tmp_path / "cache"
    with running_app(tmp_path, "-c", soon) as url:
        kept = set(cache.rglob("restored.png"))
        everything = {path for path in cache.rglob("*") if path.is_file()}
        assert len(kept) == 3  # of the first tab, and of the second: its photo, and the face that can be looked at
        page = browser.new_page()
        page.set_default_timeout(SLOW)
        page.goto(url)
        upload(page, own_face(tmp_path)[0], "#face")
        page.get_by_role("button", name="Degrade & restore").click()
        deadline = time.monotonic() + 120
        while set(cache.rglob("restored.png")) == kept and time.monotonic() < deadline:
            page.wait_for_timeout(100)
        assert len(set(cache.rglob("restored.png"))) == 4
        assert list(cache.rglob("own.png"))
        while time.monotonic() < deadline and {path for path in cache.rglob("*") if path.is_file()} - everything:
            page.wait_for_timeout(200)
        assert {path for path in cache.rglob("*") if path.is_file()} == everything  # zips and photos, too
        assert set(cache.rglob("restored.png")) == kept
        assert not list(cache.rglob("own.png"))  # the upload itself
        page.close()


# ---- the panels below a result


def test_the_panel_opens_on_request_and_closes_with_a_new_result(page: Page) -> None:
    panel = page.locator(".examination section")
    expect(panel).to_have_count(0)
    page.get_by_role("button", name="Example: Grace Hopper").first.click()
    page.get_by_role("button", name=PANEL).click()  # while the example is being made: kept
    expect(page.get_by_role("progressbar", name="Looking at the face")).to_be_visible()
    expect(panel.locator("figure")).to_have_count(4)
    expect(page.locator("#result .caption")).to_contain_text("restored in")
    expect(page.get_by_text("Looking at the face …")).to_have_count(0)
    expect(panel).not_to_contain_text(re.compile("Of face|foretold"))
    widths = "images => images.map(i => i.naturalWidth)"
    for image in panel.locator("img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
    assert panel.locator("img").evaluate_all(widths) == [512] * 4
    assert panel.locator("img").evaluate_all("images => images.every(i => i.alt.length > 20)")
    expect(panel.get_by_role("row")).to_have_count(6)
    expect(panel).to_contain_text("Whole picture")
    page.get_by_role("button", name="Example: Grace Hopper, CCTV").click()
    expect(page.locator("#result .caption")).to_contain_text("monochrome")
    expect(panel).to_have_count(0)


def test_a_photo_shows_what_changed_and_claims_no_truth(page: Page) -> None:
    page.get_by_role("button", name="restore a photo of your own").click()
    upload(page, Path(EILEEN), "#photo")
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#photo-result .verdict")).to_be_visible()
    page.get_by_role("button", name=PANEL).filter(visible=True).click()
    panel = page.locator(".examination section").filter(visible=True)
    expect(panel.locator("figure")).to_have_count(2)
    expect(panel).not_to_contain_text("measured")


def test_of_several_faces_the_panels_say_which(page: Page, tmp_path: Path) -> None:
    button = page.get_by_role("button", name=PANEL).filter(visible=True)
    upload_photo(page, tmp_path, group())
    expect(page.locator("#faces .box")).to_have_count(2)
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#photo-result .verdict")).to_have_text("2 faces restored and put back")
    button.click()
    expect(page.locator(".examination section").filter(visible=True)).to_contain_text("Of face 1, the first of those")
    page.get_by_role("button", name="What has this photo been through?").click()
    expect(page.locator("#estimate")).to_contain_text("Of face 1, the first of those")
