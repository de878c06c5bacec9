"""The panel on the page: opened by a visitor, closed by a new result, and blind to files that are not its own."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Page, expect
from served import EILEEN, in_browser, upload

from examples.make_examples import group
from restoration import InputError, Restorer
from restoration.degrade.protocols import PRESETS
from restoration.images import read_image
from restoration.lab.experiment import PHOTO, RESTORED, Outcome, run_experiment
from restoration.measure.faithfulness import region_errors
from restoration.page.widgets import present, read_result, result_folder

BUTTON = "Where did it change the face?"


@in_browser
def test_the_panel_opens_on_request_and_closes_with_a_new_result(page: Page) -> None:
    panel = page.locator(".examination section")
    expect(panel).to_have_count(0)
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_text("Looking at the face …")).to_be_visible()
    expect(panel.locator("figure")).to_have_count(4)
    expect(page.get_by_text("Looking at the face …")).to_have_count(0)
    expect(panel).not_to_contain_text("Of face")
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


@in_browser
def test_a_photo_shows_what_changed_and_claims_no_truth(page: Page) -> None:
    page.get_by_role("button", name="restore a photo of your own").click()
    upload(page, Path(EILEEN), "#photo")
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#photo-result .verdict")).to_be_visible()
    page.get_by_role("button", name=BUTTON).filter(visible=True).click()
    panel = page.locator(".examination section").filter(visible=True)
    expect(panel.locator("figure")).to_have_count(2)
    expect(panel).not_to_contain_text("measured")


@in_browser
def test_of_several_faces_the_panels_say_which_and_without_any_they_stay_closed(
    page: Page,
    tmp_path: Path,
) -> None:
    page.get_by_role("tab", name="Restore my photo").click()
    button = page.get_by_role("button", name=BUTTON).filter(visible=True)
    button.click()
    expect(page.get_by_text("There is no restored face yet")).to_be_visible()
    expect(page.get_by_text("Looking at the face …")).to_have_count(0)
    PIL.Image.fromarray(group()).save(tmp_path / "group.png")
    upload(page, tmp_path / "group.png", "#photo")
    expect(page.locator("#faces .box")).to_have_count(2)
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("#photo-result .verdict")).to_have_text("2 faces restored and put back")
    button.click()
    expect(page.locator(".examination section").filter(visible=True)).to_contain_text("Of face 1, the first of those")
    page.get_by_role("button", name="What has this photo been through?").click()
    expect(page.locator("#estimate")).to_contain_text("Of face 1, the first of those")


def test_a_program_can_look_too(address: str) -> None:
    client, settings = Client(address, verbose=False), PRESETS["old_phone"].draw(1)
    change, unsure, report = client.predict(handle_file(EILEEN), 1, **asdict(settings), api_name="/examine")
    restorer = Restorer.from_pretrained()
    pictures = run_experiment(str(EILEEN), settings, 1, restorer, None).pictures
    difference = pictures["Restored"].astype(int) - pictures["Degraded"]
    np.testing.assert_array_equal(read_image(change), np.clip(128 + 4 * difference, 0, 255))
    assert read_image(unsure).shape == (512, 512, 3)
    assert report["regions"]["eyes"]["restored"] == region_errors(pictures["Restored"], pictures["Clean"])["eyes"]
    assert report["calibrated"]
    assert report["change"] == pytest.approx(np.abs(difference).mean())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_result_is_found_again_with_its_recipe(cache: Path, tiny_weights: Path) -> None:
    tiny, settings = Restorer.from_pretrained(tiny_weights), PRESETS["old_phone"].draw(1)
    outcome = run_experiment(str(EILEEN), settings, 3, tiny, None)
    pictures, recipe = read_result(result_folder(present(outcome, None)))
    assert {label: picture.tobytes() for label, picture in pictures.items()} == {
        label: picture.tobytes() for label, picture in outcome.pictures.items()
    }
    assert recipe == (settings, 3)
    face = read_image(EILEEN)
    photo = Outcome(pictures={PHOTO: face, RESTORED: tiny.restore_aligned(face)}, caption="a photo")
    pictures, recipe = read_result(result_folder(present(photo, None)))
    assert list(pictures) == ["Restored", "Your photo"]
    assert recipe is None


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../secret/x.png", "x.png", "/" + "a" * 32 + "/../etc/x", "/" + "a" * 32 + "/clean.png"]
)
def test_only_results_of_the_page_are_opened(cache: Path, path: str) -> None:
    (cache.parent / "secret").mkdir()
    (cache.parent / "secret" / "recipe.json").write_text(json.dumps({"settings": None, "seed": None}))
    with pytest.raises(InputError, match="expired"):
        result_folder({"pictures": [{"file": {"path": path}}]})


@pytest.mark.parametrize("value", [None, {}, {"pictures": []}, {"pictures": "x"}, {"pictures": [{"file": None}]}])
def test_no_result_is_no_crash(value: Any) -> None:
    with pytest.raises(InputError, match="no restored face yet"):
        result_folder(value)
