"""Which static files does the page hand to the browser?  Each is read once, when this module is imported."""

from pathlib import Path


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8").strip()


CSS, PHOTO_CSS = _read("style.css"), _read("photo.css")
HEADER_HTML, HEADER_JS = _read("header.html"), _read("header.js")
RESULT_HTML, RESULT_JS = _read("result.html"), _read("result.js")  # the template draws what ``app.present`` returns
PANEL_HTML = _read("panel.html")  # draws what ``examine`` returns
STRIP_JS = _read("strip.js")
FACES_HTML, PHOTO_HTML, PHOTO_JS = _read("faces.html"), _read("photo.html"), _read("photo.js")
STRENGTH_JS = _read("strength.js")
# On a phone the result is above the button that was pressed: bring it into view.
SHOW_RESULT_JS = _read("show_result.js")
# A control that cannot change anything is greyed out, as ``settings.idle`` says for the page as it opens.
GATE_JS = _read("gate.js")
