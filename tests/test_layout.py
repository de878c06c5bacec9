"""The whole page as it is put together."""

import json
import re
from pathlib import Path

import gradio as gr
import pytest
from served import EILEEN

from restoration import InputError, Restorer
from restoration.degrade.protocols import PRESETS
from restoration.page.degrade_tab import DegradeTab
from restoration.page.layout import build_page
from restoration.page.photo_tab import PhotoTab
from restoration.page.settings import fill
from restoration.page.site import EXAMPLES, FACES, Site
from restoration.page.widgets import TABLES, t


def test_the_footer_is_read_anew_whenever_the_page_is_opened(tiny_weights: Path) -> None:
    news = ["", "v2 is out & ready"]
    site = Site(Restorer.from_pretrained(tiny_weights), None, news=lambda: news.pop(0))
    page = build_page(site)
    [opened] = [
        function
        for function in page.fns.values()
        if "load" in {event for _, event in function.targets}
        and "licence of the weights" in str(function.outputs[0].value)
    ]
    assert opened.api_visibility == "private"
    assert "v2" not in opened.fn()
    assert "<p>v2 is out &amp; ready</p>" in opened.fn()


def test_a_tab_s_handlers_are_called_like_functions(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    site = Site(Restorer.from_pretrained(tiny_weights), None)
    with gr.Blocks():
        degrade, photo = DegradeTab(site), PhotoTab(site)
    made = degrade.show_restored(str(EILEEN), 3, **fill("cctv", 3))
    assert [picture["label"] for picture in made["pictures"]] == ["Clean", "Degraded", "Restored"]
    assert "JPEG quality 60" in made["facts"]
    assert degrade.load_example(2)[:4] == [site.faces["eileen_collins"], "", "thumbnail", 1]
    assert degrade.refill_while_typing("old_phone", None)[0] == gr.skip()
    _, said, _, _, _, faces = photo.find(str(EILEEN))
    assert said == ""
    value, _, files = photo.restore_faces(str(EILEEN), faces, [1], 1, 1.0)
    assert "1 face restored and put back" in value["facts"]
    assert photo.pack(files, 0.5)["orig_name"] == "photo.zip"
    with pytest.raises(InputError, match="No face is chosen"):
        photo.restore_faces(str(EILEEN), faces, [], 1, 1.0)


def test_every_word_is_used_and_said_in_both_languages(tiny_weights: Path) -> None:
    page = build_page(Site(Restorer.from_pretrained(tiny_weights), None))
    used = set(re.findall(r'\\"key\\": \\"(\w+)\\"', json.dumps(page.get_config_file(), default=str)))
    used |= {f"about_{preset}" for preset in (*PRESETS, "custom")}  # said when the preset is chosen
    for table in TABLES.values():
        assert set(table) == used
        assert all(table.values())


def test_presets_are_called_the_same_everywhere() -> None:
    for key, preset in PRESETS.items():
        assert TABLES["en"][f"preset_{key}"] == preset.label
        assert TABLES["en"][f"about_{key}"] == preset.description
        assert key in t(f"about_{key}")


def test_the_examples_are_there() -> None:
    assert {(example.face, example.preset) for example in EXAMPLES} <= {(f, p) for f in FACES for p in PRESETS}
    assert len(set(EXAMPLES)) == len(EXAMPLES)
    assert set(Site.__dataclass_fields__["faces"].default_factory()) == set(FACES)  # type: ignore[misc]
