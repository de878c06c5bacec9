"""The page: what does a person see and do?  ``python app.py`` starts it.

Layout, events and endpoints over the pure functions of ``restoration``: nothing is kept between calls, so two
visitors cannot meet. User errors (``InputError``) are shown in words; programming errors are raised.
"""

from __future__ import annotations

import base64
import binascii
import functools
import html
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.data_classes import FileData, ImageData
from gradio.utils import get_upload_folder

from examples.make_examples import PORTRAITS
from restoration import Degradation, InputError, Restorer
from restoration.alignment import enlargement
from restoration.degradations import LIMITS
from restoration.experiment import (
    DEGRADED,
    MAX_SEED,
    RESTORED,
    Outcome,
    make_seed,
    read_face,
    report,
    run_degrade,
    run_experiment,
    run_restore,
)
from restoration.identity import IdentityNetwork, load_identity
from restoration.images import Image, read_image, write_png
from restoration.page.assets import (
    CSS,
    GATE_JS,
    HEADER_HTML,
    HEADER_JS,
    RESULT_HTML,
    RESULT_JS,
    SHOW_RESULT_JS,
    STRIP_JS,
)
from restoration.page.examples import EXAMPLES, FACES, enlargement_note, strip
from restoration.page.facts import facts
from restoration.page.settings import CUSTOM, CUSTOM_DESCRIPTION, ORDER, Settings, bounds, fill, from_controls, idle
from restoration.page.words import CROP_HTML, footer, items, refused
from restoration.protocols import PRESETS
from restoration.resampling import KERNELS

HERE = Path(__file__).parent
MAX_UPLOAD = "30mb"
FILES_EXPIRE = 3600  # seconds; Gradio looks every so often for files older than this
EXAMPLES_HTML = enlargement_note({portrait.name: enlargement(portrait.landmarks) for portrait in PORTRAITS})
BARE: dict[str, Any] = {"apply_default_css": False}
NOTE: dict[str, Any] = {"elem_classes": "note", **BARE}
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1}
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


def present(outcome: Outcome, identity: IdentityNetwork | None) -> dict[str, Any]:
    """What ``RESULT_HTML`` draws. Writes the pictures as lossless PNGs into Gradio's cache, from which they expire."""
    folder = Path(get_upload_folder()) / secrets.token_urlsafe(24)  # one result of one visitor
    folder.mkdir(parents=True)
    pictures = []
    for label, image in outcome.pictures.items():
        name = label.lower().replace(" ", "_") + ".png"
        write_png(image, folder / name)  # what was measured, bit for bit
        file = FileData(path=str(folder / name), orig_name=name, mime_type="image/png")
        pictures.append({"label": label, "name": name, "file": file.model_dump()})
    return {"pictures": pictures, "facts": facts(outcome, identity.name if identity else None)}


def shown(function: Callable[P, R]) -> Callable[P, R]:
    """User errors become a message on the page and in the client; everything else is raised as it is."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
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


def example_paths() -> dict[str, str]:
    """The files of the example faces: the only files outside Gradio's cache that the page may serve."""
    return {face: str(HERE / "examples" / f"{face}.png") for face in FACES}


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


def build_page(restorer: Restorer, identity: IdentityNetwork | None) -> gr.Blocks:
    """The whole page. Starts nothing; reads the example faces and restores the first one."""
    paths = example_paths()
    first_face, first_preset = EXAMPLES[0]
    values, description = fill(first_preset, 1)
    first = run_experiment(paths[first_face], from_controls(values), 1, restorer, identity)

    page = gr.Blocks(
        title="Face restoration, measured", analytics_enabled=False, delete_cache=(FILES_EXPIRE, FILES_EXPIRE)
    )
    with page:
        gr.HTML(HEADER_HTML, js_on_load=HEADER_JS, **BARE)
        pictures = {name: read_image(path) for name, path in paths.items()}
        examples = gr.HTML(strip(pictures), js_on_load=STRIP_JS, **BARE)
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=7, min_width=320):
                shown_first = present(first, identity)
                result = gr.HTML(shown_first, html_template=RESULT_HTML, js_on_load=RESULT_JS, elem_id="result", **BARE)
            with gr.Column(scale=4, min_width=320, elem_id="panel"), gr.Tabs() as tabs:
                with gr.Tab("Test on a clean face", id="test"):
                    alt = "The clean face that is degraded"
                    face = photo_input(paths[first_face], label="Clean face", height=190, alt_text=alt, elem_id="face")
                    gr.HTML(EXAMPLES_HTML, **NOTE)
                    face_note = gr.HTML("", **NOTE)
                    with gr.Row():
                        choices = [(p.label, key) for key, p in PRESETS.items()] + [("Custom", CUSTOM)]
                        preset = gr.Dropdown(choices, value=first_preset, label="Degradation", scale=4, min_width=130)
                        seed = gr.Number(1, label="Seed", scale=2, min_width=70)  # make_seed says what is allowed
                        dice = gr.Button("New seed", scale=2, min_width=80, elem_id="dice")
                    about = gr.HTML(f"<p>{description}</p>", **NOTE)
                    with gr.Row(elem_classes="press"):
                        degrade_button = gr.Button("Degrade", min_width=100)
                        test_button = gr.Button("Degrade & restore", variant="primary", min_width=150, scale=2)
                    with gr.Accordion("All settings", open=False):
                        knobs = controls(values)
                with gr.Tab("Restore my photo", id="restore"):
                    photo = photo_input(
                        label="Your photo", height=300, alt_text="The photo to restore", elem_id="photo"
                    )
                    gr.HTML(CROP_HTML, **NOTE)
                    photo_note = gr.HTML("", **NOTE)
                    with gr.Row(elem_classes="press"):
                        restore_button = gr.Button("Restore", variant="primary")
        gr.HTML(footer(restorer.info), **BARE)

        def degrade_only(face: Any, seed: float | None, **knobs: Any) -> dict[str, Any]:
            return present(run_degrade(face, from_controls(knobs), make_seed(seed), identity), identity)

        def test(face: Any, seed: float | None, **knobs: Any) -> dict[str, Any]:
            return present(run_experiment(face, from_controls(knobs), make_seed(seed), restorer, identity), identity)

        def restore_only(photo: Any) -> dict[str, Any]:
            return present(run_restore(photo, restorer), identity)

        def new_seed(preset: str) -> list[Any]:
            seed = random.randrange(MAX_SEED)
            return [seed, *refill(list(knobs), preset, seed)]

        def load_example(event: gr.EventData) -> list[Any]:
            name, key = EXAMPLES[event.index]
            filled, description = fill(key, 1)
            outcome = run_experiment(paths[name], from_controls(filled), 1, restorer, identity)
            loaded = [gr.Tabs(selected="test"), paths[name], "", key, 1, f"<p>{description}</p>"]
            return [*loaded, *(filled[knob] for knob in knobs), present(outcome, identity)]

        quiet: Any = {"api_visibility": "private", "show_progress": "hidden"}
        network: Any = {
            "api_visibility": "private",
            "show_progress": "minimal",
            "show_progress_on": result,
            **ONE_AT_A_TIME,
        }
        degrade_button.click(shown(degrade_only), [face, seed], result, inputs_kwargs=knobs, **network)
        test_button.click(shown(test), [face, seed], result, inputs_kwargs=knobs, **network)
        restore_button.click(shown(restore_only), photo, result, **network)
        for button in (degrade_button, test_button, restore_button):
            button.click(None, js=SHOW_RESULT_JS)
        loaded = [tabs, face, face_note, preset, seed, about, *knobs.values(), result]
        examples.pick(load_example, None, loaded, **network)
        fill_controls = shown(functools.partial(refill, list(knobs)))
        gr.on([preset.input, seed.input], fill_controls, [preset, seed], [about, *knobs.values()], **quiet)
        dice.click(new_seed, preset, [seed, about, *knobs.values()], **quiet)
        for knob in knobs.values():
            knob.input(None, None, [preset, about], js=f"() => ['{CUSTOM}', '<p>{CUSTOM_DESCRIPTION}</p>']")
        gates = [knobs[name] for name in ("motion_length", "blur_sigma", "isotropic", "blur_sigma_y", "downsample")]
        gated = [knobs[name] for name in ("motion_angle", "blur_sigma_y", "blur_angle", "kernel")]
        gr.on([gate.change for gate in gates], None, gates, gated, js=GATE_JS, trigger_mode="always_last")
        for component, note in ((face, face_note), (photo, photo_note)):
            component.input(check_photo, component, [component, note], trigger_mode="always_last", **quiet)
        add_endpoints(restorer, identity)
    return page


def add_endpoints(restorer: Restorer, identity: IdentityNetwork | None) -> None:
    """The named endpoints for ``gradio_client``. Parameters default to "off"; values are checked by ``Degradation``.

    Parameters that may be None stand in the signatures: only there does the client see that they are optional.
    """

    def degrade(
        image: Any, seed: float | None, *, blur_sigma_y: float | None = None, jpeg: Any = None, **others: Any
    ) -> tuple[Image, dict[str, Any]]:
        """Degrade a clean face (its centre square at 512 x 512). Returns the degraded face and its metrics."""
        settings = Degradation(**others, blur_sigma_y=blur_sigma_y, jpeg=jpeg)
        outcome = run_degrade(image, settings, make_seed(seed), identity)
        return outcome.pictures[DEGRADED], report(outcome, restorer)

    def restore(image: Any) -> tuple[Image, dict[str, Any]]:
        """Restore a degraded photo (its centre square at 512 x 512). Without a clean original nothing is measured."""
        outcome = run_restore(image, restorer)
        return outcome.pictures[RESTORED], report(outcome, restorer)

    def degrade_and_restore(
        image: Any, seed: float | None, *, blur_sigma_y: float | None = None, jpeg: Any = None, **others: Any
    ) -> tuple[Image, Image, dict[str, Any]]:
        """Degrade a clean face and restore it. Returns both faces, and both measured against the clean one."""
        settings = Degradation(**others, blur_sigma_y=blur_sigma_y, jpeg=jpeg)
        outcome = run_experiment(image, settings, make_seed(seed), restorer, identity)
        return outcome.pictures[DEGRADED], outcome.pictures[RESTORED], report(outcome, restorer)

    def presets(seed: float | None) -> dict[str, Any]:
        """All named degradations: label, description, and the settings that this seed draws."""
        result = {}
        for key, preset in PRESETS.items():
            drawn = asdict(preset.draw(make_seed(seed)))
            result[key] = {"label": preset.label, "description": preset.description, "settings": drawn}
        return result

    with gr.Column(visible=False):
        image = photo_input(label="Picture: PNG, JPEG, WebP, GIF, BMP or TIFF")
        number = gr.Number(0, label=f"Seed of the noise, 0 to {MAX_SEED}")
        off = asdict(Degradation())
        null = {"jpeg": ", null is off", "blur_sigma_y": ", null is round"}
        fields: dict[str, Any] = {}
        for name, limit in LIMITS.items():
            label = f"{limit.label}, {limit.low:g} to {limit.high:g} {limit.unit}{null.get(name, '')}"
            fields[name] = gr.Number(off[name], label=label)
        fields["kernel"] = gr.Textbox(off["kernel"], label=f"Downsampling kernel: {', '.join(KERNELS)}")
        fields["grayscale"] = gr.Checkbox(off["grayscale"], label="Monochrome")
        degraded, restored = (gr.Image(label=f"{word}, 512 x 512 PNG", format="png") for word in (DEGRADED, RESTORED))
        metrics = gr.JSON(label="Metrics, settings, warnings, model")
        hidden = gr.Button()
    hidden.click(shown(degrade), [image, number], [degraded, metrics], inputs_kwargs=fields, api_name="degrade")
    hidden.click(shown(restore), image, [restored, metrics], api_name="restore", **ONE_AT_A_TIME)
    hidden.click(shown(degrade_and_restore), [image, number], [degraded, restored, metrics], inputs_kwargs=fields,
                 api_name="degrade_and_restore", **ONE_AT_A_TIME)  # fmt: skip
    hidden.click(shown(presets), number, metrics, api_name="presets")


THEME = gr.themes.Base(
    primary_hue="teal",
    neutral_hue="stone",
    radius_size="lg",
    font=["system-ui", "-apple-system", "'Segoe UI'", "Roboto", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "monospace"],
).set(
    body_background_fill="*neutral_100",
    body_background_fill_dark="*neutral_950",
    block_background_fill="white",
    block_background_fill_dark="*neutral_900",
    block_border_width="1px",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_600",
    button_primary_text_color="white",
    button_large_radius="*radius_md",
    color_accent="*primary_700",
    block_label_text_color="*neutral_600",
    block_title_text_color="*neutral_700",
    block_title_text_size="*text_sm",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_400",
)


def main() -> None:
    """Load everything once, then serve. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT are Gradio's own."""
    page = build_page(Restorer.from_pretrained(), load_identity())
    page.queue(max_size=64).launch(
        theme=THEME, css=CSS, footer_links=["api"], run_history=False, max_file_size=MAX_UPLOAD, ssr_mode=False,
        enable_monitoring=False, allowed_paths=list(example_paths().values()),
    )  # fmt: skip


if __name__ == "__main__":
    main()
