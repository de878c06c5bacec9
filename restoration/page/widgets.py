"""The pieces that the tabs share: drawings, picture inputs, results as files, and how errors are shown."""

from __future__ import annotations

import base64
import binascii
import functools
import html
import inspect
import io
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import cv2
import gradio as gr
import numpy as np
import PIL.Image
from gradio.data_classes import FileData, ImageData
from gradio.utils import get_upload_folder

from restoration.images import Image, InputError, write_png
from restoration.lab.experiment import Outcome, read_face
from restoration.lab.recipe import Recipe, to_python
from restoration.page.reports import facts
from restoration.page.words import items, refused, t

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("page.js", "degrade.js", "photo.js", "compare.js")  # the first defines what the others use
CSS = (STATIC / "page.css").read_text(encoding="utf-8")
HEAD = "".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
HEAD = f"<script>'use strict'; {{ {HEAD} }}</script>"

RECIPE = "recipe.json"  # beside the pictures of a result: how the face was degraded
BARE: dict[str, Any] = {"apply_default_css": False}
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1}
# A comparison or a sweep takes seconds: it waits for others of its kind, and quick restorations do not wait for it.
LABORATORY: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "laboratory", "concurrency_limit": 1}
Handler = TypeVar("Handler", bound=Callable[..., Any])


def network_event(shown_on: Any) -> dict[str, Any]:
    """Options of an event that runs the network: one at a time, its progress shown on a component."""
    return {"api_visibility": "private", "show_progress": "minimal", "show_progress_on": shown_on, **ONE_AT_A_TIME}


def drawing(name: str, value: Any = None, *, label: str = "", events: str = "", **options: Any) -> gr.HTML:
    """A component that an object of ``window.page`` draws and listens to, as page.js describes.

    Args:
        label: key of what it says without a value, or beside it; "" says nothing.
        events: names of its own events; Gradio looks for each in quotes in the script.
    """
    template = f"${{page.{name}.html?.(value, label) ?? ''}}"
    script = f"page.{name}.start?.(element, props, trigger, watch); {[*events.split()]};"
    return gr.HTML(value, html_template=template, js_on_load=script, label=t(label) if label else "", **BARE, **options)


def result_view(value: Any = None, **options: Any) -> gr.HTML:
    """Where an experiment's result stands, which asks for its zip by the event "pack"."""
    return drawing("result", value, label="no_face", events="pack", elem_classes="result", **options)


def note(key: str = "") -> gr.HTML:
    """A line of text: a key's, or what an event says later, also as the key's text."""
    return drawing("note", t(key) if key else "", elem_classes="note")


def photo_input(value: str | None = None, **options: Any) -> gr.Image:
    """A picture input (upload, camera, clipboard) that hands over the visitor's file as it is: a path, or bytes.

    ``gr.Image`` would turn, convert and re-encode the file first (16-bit grey saturates, transparent pixels show their
    hidden colour); here ``read_image`` alone decides what a picture is. A subclass would say this more plainly, but
    Gradio writes a ``.pyi`` file beside the source of every subclass.
    """

    def raw_file(payload: ImageData | None) -> str | bytes | None:
        if payload and payload.url and payload.url.startswith("data:"):
            try:
                return base64.b64decode(payload.url.partition(",")[2])
            except binascii.Error as error:
                raise gr.Error("This data address is not base64. Send the picture as a file.") from error
        return payload.path if payload else None

    sources: Any = ["upload", "webcam", "clipboard"]
    image = gr.Image(value, type="filepath", image_mode=None, sources=sources, buttons=[], **options)
    image.preprocess = raw_file  # type: ignore[method-assign, assignment]
    return image


def check_photo(photo: str | bytes | None) -> list[Any]:
    """[a picture that was just chosen, what to know about it as HTML].

    A bad file is refused here, before any button: it is taken out of the input, and the note says why.
    """
    try:
        return [gr.skip(), items(read_face(photo)[1]) if photo else ""]
    except InputError as error:
        return [None, refused(error)]


def user_errors(handler: Handler) -> Handler:
    """User errors become a message on the page and in the client; everything else is raised as it is."""

    def message(error: InputError) -> gr.Error:
        return gr.Error(html.escape(str(error), quote=False), print_exception=False)

    @functools.wraps(handler)
    def answering(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except InputError as error:
            raise message(error) from error

    @functools.wraps(handler)
    def yielding(*args: Any, **kwargs: Any) -> Any:
        try:
            yield from handler(*args, **kwargs)
        except InputError as error:
            raise message(error) from error

    return yielding if inspect.isgeneratorfunction(handler) else answering  # type: ignore[return-value]


def new_folder() -> Path:
    """For one result of one visitor, in Gradio's cache, from which it expires; nobody can guess its name."""
    folder = Path(get_upload_folder()) / secrets.token_urlsafe(24)
    folder.mkdir(parents=True)
    return folder


def write_files(files: dict[str, bytes | Image], folder: Path) -> dict[str, dict[str, Any]]:
    """Write name to contents; a picture becomes a lossless PNG, bit for bit what was measured.

    Returns:
        name to Gradio's own description of the file; the browser finds its address there as ``url``.
    """
    for name, contents in files.items():
        if isinstance(contents, bytes):
            (folder / name).write_bytes(contents)
        else:
            write_png(contents, folder / name)
    return {name: FileData(path=str(folder / name), orig_name=name).model_dump() for name in files}


def share(recipe: Recipe, reached: int | None = None) -> dict[str, str]:
    """What page.js offers to copy: the token of the link, and the code. ``reached`` is ``to_python``'s."""
    return {"token": recipe.to_token(), "code": to_python(recipe, reached)}


def present(outcome: Outcome, identity_name: str | None, recipe: Recipe | None = None) -> dict[str, Any]:
    """What ``page.result`` draws, its pictures written as files.

    Args:
        identity_name: the network behind the identity angles, None where they are not measured.
        recipe: None where nothing can be repeated.
    """
    names = {label: file_name(label) for label in outcome.pictures}
    settings = asdict(outcome.settings) if outcome.settings else None
    made = json.dumps({"settings": settings, "seed": outcome.seed}).encode()
    pictures = {names[label]: image for label, image in outcome.pictures.items()}
    files = write_files({**pictures, RECIPE: made}, new_folder())
    shown = [{"label": label, "name": name, "file": files[name]} for label, name in names.items()]
    return {"pictures": shown, "facts": facts(outcome, identity_name), "share": share(recipe) if recipe else None}


def file_name(label: str) -> str:
    """What the picture of a result with this label is called."""
    return label.lower().replace(" ", "_") + ".png"


def reduced(image: Image, longest: int) -> Image:
    """(H, W, 3) uint8 RGB with the longest side at most so many pixels."""
    scale = min(1, longest / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return image if scale == 1 else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def jpeg_address(image: Image, longest: int) -> str:
    """A reduced picture as a data address: decoration beside a control, never measured or downloaded."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(reduced(image, longest)).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
