"""Where did it change the face?  A button below a result, and the panel that opens; computed when it is pressed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.utils import get_upload_folder

from restoration.degrade.degradations import Degradation
from restoration.images import Image, InputError, read_image, write_png
from restoration.lab.experiment import CLEAN, DEGRADED, PHOTO, RESTORED
from restoration.measure.faithfulness import examine
from restoration.page.assets import PANEL_HTML
from restoration.page.panel import face_maps, panel
from restoration.page.parts import BARE, RECIPE, file_name, network_event, shown
from restoration.page.site import Site

TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
EXPIRED = "This result has expired. Restore the face again, then look at what changed."


def add_examination(site: Site, result: gr.HTML) -> None:
    """A button and its panel for a result that ``parts.present`` made. A new result closes the panel."""
    button = gr.Button("Where did it change the face?", elem_classes="examine")
    shown_panel = gr.HTML(html_template=PANEL_HTML, elem_classes="examination", **BARE)

    def look(value: Any) -> dict[str, Any]:
        folder = result_folder(value)
        pictures, recipe = read_result(folder)
        if RESTORED not in pictures:
            raise InputError("There is no restored face yet. Restore one first.")
        truth = pictures.get(CLEAN)
        before = pictures[DEGRADED] if truth is not None else pictures[PHOTO]
        restorer, identity = site.restorer, site.identity
        seen = examine(
            before,
            pictures[RESTORED],
            restorer.restore_tensor,
            restorer.calibration,
            truth=truth,
            recipe=recipe,
            identity=identity,
        )
        maps = []
        for map_ in face_maps(seen):
            path = folder / f"{map_.name}.png"
            write_png(map_.picture, path)
            file = FileData(path=str(path), orig_name=path.name, mime_type="image/png")
            maps.append({"label": map_.label, "note": map_.note, "alt": map_.alt, "file": file.model_dump()})
        text = panel(seen, identity.bands if identity else None, restorer.calibration)
        return {"maps": maps, "text": of_face(value) + text}

    open_panel(button, look, result, shown_panel)
    result.change(None, None, shown_panel, js="() => null")


def open_panel(button: gr.Button, look: Callable[[Any], dict[str, Any]], result: gr.HTML, shown_panel: gr.HTML) -> None:
    """A press draws what ``look`` makes of the result; until then the panel says that it is being worked on."""
    button.click(None, None, shown_panel, js="() => ({working: true})")
    looking = button.click(shown(look), result, shown_panel, **network_event(shown_panel))
    looking.failure(None, None, shown_panel, js="() => null")


def of_face(value: Any) -> str:
    """Which of several restored faces a panel is about, as HTML; "" where there is one alone."""
    number = value.get("examined")
    if not isinstance(number, int) or not number:  # a client may send anything
        return ""
    return f"<p>Of face {number}, the first of those that were restored.</p>"


def result_folder(value: Any) -> Path:
    """Where the files of a result lie, by what its component holds: only the folder's name is taken from there.

    Raises:
        InputError: no result, or one that has expired.
    """
    try:
        token = Path(value["pictures"][0]["file"]["path"]).parent.name
    except (TypeError, KeyError, IndexError) as error:
        raise InputError("There is no restored face yet. Restore one first.") from error
    folder = Path(get_upload_folder()) / token
    if not TOKEN.fullmatch(token) or not (folder / RECIPE).is_file():
        raise InputError(EXPIRED)
    return folder


def read_result(folder: Path) -> tuple[dict[str, Image], tuple[Degradation, int] | None]:
    """The pictures of a result by their labels, and the settings and seed that degraded it, where it was degraded.

    Raises:
        InputError: its files have expired.
    """
    paths = {label: folder / file_name(label) for label in (CLEAN, DEGRADED, RESTORED, PHOTO)}
    try:
        pictures = {label: read_image(path) for label, path in paths.items() if path.is_file()}
        recipe = json.loads((folder / RECIPE).read_text())
    except (InputError, OSError) as error:
        raise InputError(EXPIRED) from error
    return pictures, (Degradation(**recipe["settings"]), recipe["seed"]) if recipe["settings"] else None
