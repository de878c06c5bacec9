"""Which pieces do the tabs share?  Picture inputs, controls, results as files, and how errors are shown."""

from __future__ import annotations

import base64
import binascii
import functools
import html
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.data_classes import FileData, ImageData
from gradio.utils import get_upload_folder

from restoration.degrade.degradations import LIMITS
from restoration.degrade.resampling import KERNELS
from restoration.images import Image, InputError, write_png
from restoration.lab.experiment import Outcome, read_face
from restoration.measure.identity import IdentityNetwork
from restoration.page.facts import facts
from restoration.page.settings import ORDER, Settings, bounds, fill, idle
from restoration.page.words import items, refused

BARE: dict[str, Any] = {"apply_default_css": False}
NOTE: dict[str, Any] = {"elem_classes": "note", **BARE}
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1}
RECIPE = "recipe.json"  # beside the pictures of a result: how the face was degraded
# A comparison or a sweep takes seconds: it waits for others of its kind, and quick restorations do not wait for it.
LABORATORY: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "laboratory", "concurrency_limit": 1}
P = ParamSpec("P")
R = TypeVar("R")


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


def publish(files: dict[str, bytes | Image]) -> dict[str, dict[str, Any]]:
    """Write files of one visitor's result into Gradio's cache, from which they expire.

    Args:
        files: name to contents; a picture becomes a lossless PNG, bit for bit what was measured.

    Returns:
        name to Gradio's own description of the file; the browser finds its address there as ``url``.
    """
    folder = Path(get_upload_folder()) / secrets.token_urlsafe(24)
    folder.mkdir(parents=True)
    published = {}
    for name, contents in files.items():
        if isinstance(contents, bytes):
            (folder / name).write_bytes(contents)
        else:
            write_png(contents, folder / name)
        published[name] = FileData(path=str(folder / name), orig_name=name).model_dump()
    return published


def present(outcome: Outcome, identity: IdentityNetwork | None, share: dict[str, str] | None = None) -> dict[str, Any]:
    """What ``RESULT_HTML`` draws, its pictures published.

    Args:
        share: ``links.share`` of the recipe; None where nothing can be repeated.
    """
    names = {label: file_name(label) for label in outcome.pictures}
    settings = asdict(outcome.settings) if outcome.settings else None
    recipe = json.dumps({"settings": settings, "seed": outcome.seed}).encode()
    files = publish({**{names[label]: image for label, image in outcome.pictures.items()}, RECIPE: recipe})
    pictures = [{"label": label, "name": name, "file": files[name]} for label, name in names.items()]
    text = facts(outcome, identity.name if identity else None)
    return {"pictures": pictures, "facts": text, "share": share}


def file_name(label: str) -> str:
    """What the picture of a result with this label is called."""
    return label.lower().replace(" ", "_") + ".png"


def shown(function: Callable[P, R]) -> Callable[P, R]:
    """User errors become a message on the page and in the client; everything else is raised as it is."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except InputError as error:
            raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from error

    return wrapper


def shown_live(function: Callable[P, Iterator[R]]) -> Callable[P, Iterator[R]]:
    """``shown`` for a function whose results arrive one after the other."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        try:
            yield from function(*args, **kwargs)
        except InputError as error:
            raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from error

    return wrapper


def controls(values: Settings) -> dict[str, Any]:
    """One control for every setting, built from its limits. What cannot change anything yet is greyed out."""
    made: dict[str, Any] = {}
    for name in ORDER:
        options: dict[str, Any] = {"value": values[name], "interactive": name not in idle(values)}
        if name == "kernel":
            made[name] = gr.Dropdown(KERNELS, label="Downsampling kernel", **options)
        elif name in ("isotropic", "grayscale"):
            label = "Round Gaussian blur (same on both axes)" if name == "isotropic" else "Monochrome"
            made[name] = gr.Checkbox(values[name], label=label)
        else:
            low, high, label = bounds(name)
            made[name] = gr.Slider(low, high, step=LIMITS[name].step, label=label, buttons=[], **options)
    return made


def refill(names: Sequence[str], preset: str, seed: float | None) -> list[Any]:
    """[description, value of every control], with ``gr.skip()`` where the preset changes nothing."""
    values, description = fill(preset, seed)
    return [f"<p>{description}</p>", *(values.get(name, gr.skip()) for name in names)]


def check_photo(photo: str | bytes | None) -> list[Any]:
    """[a picture that was just chosen, what to know about it as HTML].

    A bad file is refused here, before any button: it is taken out of the input, and the note says why.
    """
    try:
        return [gr.skip(), items(read_face(photo)[1]) if photo else ""]
    except InputError as error:
        return [None, refused(error)]


def network_event(shown_on: Any) -> dict[str, Any]:
    """Options of an event that runs the network: one at a time, its progress shown on a component."""
    return {
        "api_visibility": "private",
        "show_progress": "minimal",
        "show_progress_on": shown_on,
        **ONE_AT_A_TIME,
    }


QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
