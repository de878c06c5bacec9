"""The whole page as it is put together."""

from pathlib import Path

from restoration import Restorer
from restoration.page.examples import FACES, FOLDER
from restoration.page.layout import build_page
from restoration.page.site import open_site


def test_the_footer_is_read_anew_whenever_the_page_is_opened(tiny_weights: Path) -> None:
    news = ["", "v2 is out & ready"]
    faces = {face: str(FOLDER / f"{face}.png") for face in FACES}
    site = open_site(Restorer.from_pretrained(tiny_weights), None, faces, news=lambda: news.pop(0))
    page = build_page(site)
    [opened] = [
        function
        for function in page.fns.values()
        if "load" in {event for _, event in function.targets} and 'class="foot"' in str(function.outputs[0].value)
    ]
    assert opened.api_visibility == "private"
    assert "v2" not in opened.fn()
    assert "<p>v2 is out &amp; ready</p>" in opened.fn()
