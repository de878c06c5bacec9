"""The pieces that the tabs share: words, drawings, inputs, results as files, and the panels that look at a result.

Labels, buttons and notes are in two languages; reports, results and errors are English.
"""

from __future__ import annotations

import contextlib
import functools
import html
import inspect
import json
import re
import secrets
from abc import ABCMeta
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import gradio as gr
from gradio.data_classes import FileData, ImageData
from gradio.events import Dependency
from gradio.utils import get_upload_folder

from restoration.degrade import Degradation
from restoration.degrade.protocols import PRESETS
from restoration.images import Image, InputError, read_image, write_png
from restoration.images.pictures import disk_is_full
from restoration.lab import CLEAN, DEGRADED, PHOTO, RESTORED, Outcome, compare, read_face
from restoration.lab.bundle import comparison_bundle, poster, wipe
from restoration.lab.recipe import Recipe, to_python
from restoration.measure import score
from restoration.measure.identity import NOTICEABLE
from restoration.page import reports
from restoration.page.site import CURRENT_LABEL, FACES, Site

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("page.js", "degrade.js", "photo.js", "compare.js")  # the first defines what the others use
CSS = (STATIC / "page.css").read_text(encoding="utf-8")
_shared, *_tabs = ((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
HEAD = _shared + "".join(f"{{ {script} }}" for script in _tabs)  # each tab's names are its own
HEAD = f"<script>'use strict'; {{ const NOTICEABLE = {json.dumps(NOTICEABLE)}; {HEAD} }}</script>"
# Language -> key -> text, which may hold HTML. Gradio shows a visitor the language of their browser.
TABLES: dict[str, dict[str, str]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "languages").glob("*.json"))
}
I18N = gr.I18n(**TABLES)

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1}
# A comparison or a sweep takes seconds: it waits for others of its kind, and quick restorations do not wait for it.
LABORATORY: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "laboratory", "concurrency_limit": 1}
Handler = TypeVar("Handler", bound=Callable[..., Any])

RECIPE = "recipe.json"  # beside the pictures of a result: how the face was degraded
TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
NO_RESULT = "There is no restored face yet. Restore one first."
EXPIRED = "This result has expired. Restore the face again, then look at what changed."
GONE = "This picture is no longer on the server. Choose it again, or reload the page."
MAX_LINK = 2000  # characters
SEED = 1  # of the noise of what is to be expected


def t(key: str) -> str:
    """What Gradio replaces by the text of a key: a whole label, value or placeholder. KeyError: no such key."""
    assert TABLES["en"][key]
    return str(I18N(key))


def preset_choices(*more: str) -> list[tuple[str, str]]:
    """Names and keys of all presets, and of what else can be chosen, for a choice."""
    return [(t(f"preset_{key}"), key) for key in (*PRESETS, *more)]


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
    options |= {"label": t(label) if label else "", "apply_default_css": False}
    return gr.HTML(value, html_template=template, js_on_load=script, **options)


def note(key: str = "", elem_classes: str = "note") -> gr.HTML:
    """A line of text: a key's, or what an event says later, also as the key's text."""
    return drawing("note", t(key) if key else "", elem_classes=elem_classes)


def _raw_file(self: gr.Image, payload: ImageData | None) -> str | bytes | None:
    if payload and payload.url and payload.url.startswith("data:"):
        with urlopen(payload.url) as data:
            return bytes(data.read())
    return payload.path if payload else None


# Made without Gradio's metaclass, which writes a ``.pyi`` file beside the source of every subclass.
PhotoInput: Any = ABCMeta.__new__(
    type(gr.Image), "PhotoInput", (gr.Image,), {"preprocess": _raw_file, "is_template": True, "__module__": __name__}
)


def photo_input(value: str | None = None, **options: Any) -> gr.Image:
    """A picture input (upload, camera, clipboard) that hands over the visitor's file as it is: a path, or bytes.

    ``gr.Image`` would turn, convert and re-encode the file first (16-bit grey saturates, transparent pixels show their
    hidden colour); here ``read_image`` alone decides what a picture is.
    """
    sources: Any = ["upload", "webcam", "clipboard"]
    image: gr.Image = PhotoInput(value, type="filepath", image_mode=None, sources=sources, buttons=[], **options)
    return image


def checked_input(photo: gr.Image, said: gr.HTML) -> None:
    """Check a chosen picture at once, before any button; ``said`` is where its note stands."""

    def check(file: str | bytes | None) -> list[Any]:
        try:
            return [gr.skip(), reports.items(read_face(file)[1]) if file else ""]
        except InputError as error:
            return [None, reports.refused(error)]

    photo.input(check, photo, [photo, said], trigger_mode="always_last", **QUIET)


def on_edit(control: Any, outputs: list[Any] | gr.HTML, script: str) -> None:
    """Run a script that returns values for the outputs when a visitor gives a control another value: Gradio's dropdown
    also tells of one that was left as it was."""
    if not isinstance(control, gr.Dropdown):
        control.input(None, None, outputs, js=script)
        return
    skip = "{__type__: 'update'}"
    unchanged = f"Array({len(outputs)}).fill({skip})" if isinstance(outputs, list) else skip
    control.focus(None, control, None, js="value => page.focused(value)")
    control.input(None, control, outputs, js=f"value => page.picked(value) ? ({script})() : {unchanged}")


def chip(picture: str, label: str, **value: Any) -> gr.HTML:
    """A picture to press, which loads what it shows: a data address, the key of its label, and what page.js wants:
    ``of`` (id of the result that it makes), ``name``, ``first`` (the page opens with it), ``who`` and ``hard``."""
    value |= {"picture": picture, "busy": t("restoring")}
    return drawing("chip", value, events="click", label=label, min_width=70)


def finish(event: Dependency, script: str, outputs: Any = None) -> None:
    """Run a script after an event that may have failed: a failure does not reach ``then``."""
    for after in (event.then, event.failure):
        after(None, None, outputs, js=script)


def run(press: Any, handler: Any, result: str, buttons: dict[Any, str], busy: dict[Any, str], **options: Any) -> None:
    """Let a press run a handler that makes a result, during which the buttons of its tab are off.

    Args:
        result: id of the result's component.
        buttons: each with the key of what it says; ``busy`` has those that say something else meanwhile.
        options: of the event.
    """
    off, on = (f"return page.buttons('{result}', {[*keys.values()]});" for keys in ({**buttons, **busy}, buttons))
    # What acts at once is registered first: the listeners of one event wait for one another.
    press(None, None, [*buttons], js=f"() => {{ {off} }}")
    finish(press(user_errors(handler), **options), f"() => {{ page.ends('{result}'); {on} }}", [*buttons])


def user_errors(handler: Handler) -> Handler:
    """User errors become a message on the page and in the client; everything else is raised as it is."""
    if not inspect.isgeneratorfunction(handler):
        return _told()(handler)

    @functools.wraps(handler)
    def yielding(*args: Any, **kwargs: Any) -> Any:
        with _told():
            yield from handler(*args, **kwargs)

    return yielding  # type: ignore[return-value]


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (InputError, OSError) as error:
        if disk_is_full(error):
            raise gr.Error("The disk of this machine is full. Try again later.") from error
        if isinstance(error.__cause__, FileNotFoundError):
            raise gr.Error(GONE, print_exception=False) from error
        if not isinstance(error, InputError):
            raise
        raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from error


# ---- a result: pictures as files, and what can be asked of them


def new_folder() -> Path:
    """For one result of one visitor, in Gradio's cache, from which it expires; nobody can guess its name."""
    folder = Path(get_upload_folder()) / secrets.token_urlsafe(24)
    folder.mkdir(parents=True)
    return folder


def write_file(name: str, contents: bytes | Image, folder: Path | None = None) -> dict[str, Any]:
    """Write a file, into a new folder by itself or into one; a picture becomes a lossless PNG, as it was measured.
    Returns Gradio's own description of the file; the browser finds its address there as ``url``."""
    path = (folder or new_folder()) / name
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    else:
        write_png(contents, path)
    return FileData(path=str(path), orig_name=name).model_dump()


def share(recipe: Recipe, reached: int | None = None) -> dict[str, str]:
    """What page.js offers to copy: the token of the link, and the code. ``reached`` is ``to_python``'s."""
    return {"token": recipe.to_token(), "code": to_python(recipe, reached)}


def present(outcome: Outcome, identity_name: str | None, recipe: Recipe | None = None) -> dict[str, Any]:
    """What ``page.result`` draws, its pictures written as files. ``identity_name``: of ``reports.facts``; ``recipe``:
    None where nothing can be repeated."""
    made = {"settings": asdict(outcome.settings) if outcome.settings else None, "seed": outcome.seed}
    facts = reports.facts(outcome, identity_name)
    return {"pictures": keep(outcome.pictures, made), "facts": facts, "share": share(recipe) if recipe else None}


def keep(pictures: dict[str, Image], made: dict[str, Any]) -> list[dict[str, Any]]:
    """Write what ``read_result`` reads into a folder of its own: pictures, and the settings and seed that made them, if
    any. Returns label, name and file of each."""
    folder = new_folder()
    write_file(RECIPE, json.dumps(made).encode(), folder)
    names = {label: file_name(label) for label in pictures}
    return [
        {"label": label, "name": names[label], "file": write_file(names[label], picture, folder)}
        for label, picture in pictures.items()
    ]


def file_name(label: str) -> str:
    """What the picture of a result with this label is called."""
    return label.lower().replace(" ", "_") + ".png"


def read_result(value: Any) -> tuple[Path, dict[str, Image], tuple[Degradation, int] | None]:
    """The folder of a result, its pictures by their labels, and the settings and seed that degraded it, if it was. Of
    ``value``, what its component holds as a client sends it, only the folder's name is taken. InputError: no result, or
    one that has expired."""
    try:
        token = Path(value["pictures"][0]["file"]["path"]).parent.name
    except (TypeError, KeyError, IndexError) as error:
        raise InputError(NO_RESULT) from error
    folder = Path(get_upload_folder()) / token
    if not TOKEN.fullmatch(token):
        raise InputError(EXPIRED)
    paths = {label: folder / file_name(label) for label in (CLEAN, DEGRADED, RESTORED, PHOTO)}
    try:
        recipe = json.loads((folder / RECIPE).read_text())
        pictures = {label: read_image(path) for label, path in paths.items() if path.is_file()}
    except (InputError, OSError) as error:
        raise InputError(EXPIRED) from error
    return folder, pictures, (Degradation(**recipe["settings"]), recipe["seed"]) if recipe["settings"] else None


def result_view(value: Any = None, **options: Any) -> gr.HTML:
    """Where an experiment's result stands, which asks for its zip by the event "pack"."""
    return drawing("result", value, label="no_face", events="pack", elem_classes="result", **options)


def add_packer(site: Site, result: gr.HTML, own: gr.Image) -> None:
    """Let an experiment's ``result`` ask for its files; ``own`` holds the visitor's picture."""

    def handler(photo: str | bytes | None, value: Any, event: gr.EventData) -> dict[str, Any]:
        return pack(site, photo, value, event)

    options = {**LABORATORY, "show_progress": "hidden"}
    finish(result.pack(user_errors(handler), [own, result], drawing("packed"), **options), "() => page.made()")


def pack(site: Site, photo: str | bytes | None, value: Any, event: gr.EventData) -> dict[str, Any]:
    """What a visitor takes home of an experiment that was presented with its recipe: the zip, by the token of the
    recipe, which is run once more, on ``photo`` where it was made with the visitor's own; or, where the event asks for
    it, a picture or an animation of the result ``value``."""
    if event.kind == "zip":
        recipe = Recipe.from_token(event.token)
        face = read_face(site.faces.get(recipe.face, photo))[0]
        if notes := recipe.check(face, site.restorer.fingerprint):
            raise InputError(f"{notes[0]} Press the button again to make it anew.")
        rows = list(compare(face, recipe.cases, recipe.seed, site.restorer, site.identity))
        return write_file("experiment.zip", comparison_bundle(recipe, face, rows))
    _, pictures, known = read_result(value)
    if known is None or RESTORED not in pictures:
        raise InputError(NO_RESULT)
    faces = {label: pictures[label] for label in (DEGRADED, RESTORED, CLEAN)}
    degraded, restored, clean = faces.values()
    if event.kind == "animation":
        return write_file("before_and_after.webp", wipe(degraded, restored))
    before, after = (score(face, clean, site.identity) for face in (degraded, restored))
    lines = [*reports.in_short(before, after), known[0].describe()]
    link = f"{event.address}#recipe={event.token}"[:MAX_LINK]
    return write_file("before_and_after.png", poster(faces, lines, link))


def add_panel(site: Site, result: gr.HTML, *looks: str, **options: Any) -> None:
    """A button for each key of ``look_at`` below a result, and their panel, which a new result closes. What is pressed
    while one is being made is kept: the panel speaks of the result that is shown then."""
    with gr.Row(elem_classes="examine"):
        buttons = {key: gr.Button(t(key)) for key in looks}
    panel = drawing("panel", events="look", elem_classes="examination", **options)
    for key, button in buttons.items():
        button.click(None, None, panel, js=f"() => ({{working: '{key}', of: '{result.elem_id}'}})")
    look = user_errors(functools.partial(look_at, site))
    looking = panel.look(look, [panel, result], panel, trigger_mode="multiple", **network_event(panel))
    looking.failure(None, None, panel, js="() => null")
    result.change(None, panel, panel, js="shown => shown?.working ? shown : null")


def look_at(site: Site, asked: Any, value: Any) -> dict[str, Any]:
    """What ``page.panel`` draws of the result that a component holds: where the face was changed, what its photo has
    been through ("past"), or the same degradation on the example faces, restored and measured ("expectation")."""
    folder, pictures, recipe = read_result(value)
    text, maps = reports.of_face(value), []
    if asked["working"] == "where_changed":
        if RESTORED not in pictures:
            raise InputError(NO_RESULT)
        truth = pictures.get(CLEAN)
        before = pictures[PHOTO] if truth is None else pictures[DEGRADED]
        seen = site.examine(before, pictures[RESTORED], truth=truth, recipe=recipe)
        for name, label, about, alt, picture in reports.face_maps(seen):
            maps.append({"label": label, "note": about, "alt": alt, "file": write_file(f"{name}.png", picture, folder)})
        bands = site.identity.bands if site.identity else None
        return {"maps": maps, "text": text + reports.changes(seen, bands, site.restorer.calibration)}
    if PHOTO not in pictures:
        raise InputError(NO_RESULT)
    estimate = site.estimator.estimate(pictures[PHOTO])
    text += f'<p class="verdict">{reports.in_words(estimate)}</p>'
    if asked["working"] == "past":
        return {"maps": maps, "text": text + reports.estimated(estimate)}
    outcomes = {}
    for name, path in site.faces.items():
        outcome = site.run(path, estimate.settings(), SEED)
        outcomes[FACES[name]] = outcome, site.recipe_of(outcome, CURRENT_LABEL).to_token()
    return {"maps": maps, "text": text + reports.expected(outcomes, site.identity_name)}
