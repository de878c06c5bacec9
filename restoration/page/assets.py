"""Which static files does the page hand to the browser?  Each is read once, when this module is imported."""

from pathlib import Path


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8").strip()


CSS, LAB_CSS, PHOTO_CSS = _read("style.css"), _read("lab.css"), _read("photo.css")
HEADER_HTML, HEADER_JS = _read("header.html"), _read("header.js")
PANEL_HTML = _read("panel.html")  # draws what ``examine`` returns
_SHARED_JS = _read("slider.js") + "\n" + _read("share.js") + "\n"
# Template and script draw what ``parts.present`` returns; those of the laboratory what ``lab_values`` describes.
RESULT_HTML, RESULT_JS = _read("result.html"), _SHARED_JS + _read("result.js")
_NUMBERS_JS = _SHARED_JS + _read("numbers.js") + "\n"
GRID_HTML, GRID_JS = _read("grid.html"), _NUMBERS_JS + _read("grid.js")
SWEEP_HTML, SWEEP_JS = _read("sweep.html"), _NUMBERS_JS + _read("sweep.js")
STOP_JS = _read("stop.js")
STRIP_JS = _read("strip.js")
FACES_HTML, PHOTO_HTML, PHOTO_JS = _read("faces.html"), _read("photo.html"), _read("photo.js")
STRENGTH_JS = _read("strength.js")
PACKED_JS = _read("packed.js")
I18N_JS = _read("i18n.js")
OPENER_JS = _read("opener.js")
# On a phone, or below the many faces of a photo, the result is above the button that was pressed: bring it into view.
SHOW_RESULT_JS = _read("show_result.js")
# A control that cannot change anything is greyed out, as ``settings.idle`` says for the page as it opens.
GATE_JS = _read("gate.js")
