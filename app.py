"""The page: what does a person see and do?  ``python app.py`` starts it.

A thin interface over the pure functions of ``restoration``: nothing is kept between calls, so two visitors cannot
meet. User errors (``InputError``) are shown in words; programming errors are raised.
"""

from __future__ import annotations

import base64
import binascii
import functools
import html
import io
import math
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import PIL.Image
from gradio.data_classes import FileData, ImageData
from gradio.utils import get_upload_folder

from restoration import Degradation, InputError, Restorer
from restoration.alignment import FACE_SIZE, crop_centre
from restoration.degradations import KERNELS, LIMITS, degrade_image
from restoration.identity import IdentityNetwork, load_identity
from restoration.images import Image, read_image, write_png
from restoration.metrics import Scores, score
from restoration.protocols import PRESETS

HERE = Path(__file__).parent
FACES = {"eileen_collins": "Eileen Collins", "grace_hopper": "Grace Hopper"}
EXAMPLES = (  # (face, preset): the strip of one-click examples; the first one is on the page when it opens
    ("eileen_collins", "old_phone"),
    ("grace_hopper", "shaky_hand"),
    ("eileen_collins", "thumbnail"),
    ("grace_hopper", "cctv"),
    ("eileen_collins", "shaky_hand"),
    ("grace_hopper", "old_phone"),
    ("eileen_collins", "cctv"),
    ("grace_hopper", "video_call"),
)
CUSTOM = "custom"
MAX_SEED = 2**31 - 1
MAX_UPLOAD = "30mb"
FILES_EXPIRE = 3600  # seconds; Gradio looks every so often for files older than this
Settings = dict[str, Any]  # the fields of Degradation, as the page and the API hand them over
P = ParamSpec("P")
R = TypeVar("R")


# ---------------------------------------------------------------------------------------------- what is computed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One experiment: pictures in the order in which things happened to the face, and what was measured.

    ``pictures`` maps a label to an (H, W, 3) uint8 RGB face; the last two are compared by the slider.
    ``scores`` maps a table row to its scores against the clean face; it is empty where there is no clean face.
    """

    pictures: dict[str, Image]
    caption: str
    scores: dict[str, Scores] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    settings: Degradation | None = None
    seconds: float | None = None


CLEAN, DEGRADED, RESTORED, PHOTO = "Clean", "Degraded", "Restored", "Your photo"
INPUT_ROW, RESTORED_ROW = "Degraded input", "Restored"


def read_face(photo: str | bytes | None) -> tuple[Image, list[str]]:
    """Centre square of a photo at 512 x 512, and what the visitor should know about it."""
    if photo is None:
        raise InputError("There is no picture yet. Upload one, take one with the camera, or choose an example.")
    image = read_image(photo)
    face, box = crop_centre(image)
    side, notes = box.right - box.left, []
    if image.shape[0] != image.shape[1]:
        notes.append(
            f"Only the centred {side} × {side} square of your {image.shape[1]} × {image.shape[0]} photo is used."
        )
    if side < FACE_SIZE:
        notes.append(
            f"The face was enlarged {FACE_SIZE / side:.1f}× to {FACE_SIZE} × {FACE_SIZE}, so it holds less detail."
        )
    return face, notes


def make_seed(seed: Any) -> int:
    """A seed as JSON may bring it (3.0 is 3) to an int in [0, MAX_SEED]; anything else is an InputError."""
    if isinstance(seed, (int, float)) and 0 <= seed <= MAX_SEED and seed == int(seed):  # NaN fails the range
        return int(seed)
    raise InputError(f"The seed must be a whole number from 0 to {MAX_SEED}, not {seed}.")


def run_degrade(
    photo: str | bytes | None, settings: Degradation, seed: int, identity: IdentityNetwork | None
) -> Outcome:
    """Degrade a clean face and measure what was lost."""
    face, notes = read_face(photo)
    degraded = degrade_image(face, settings, seed)
    return Outcome(
        pictures={CLEAN: face, DEGRADED: degraded},
        caption=f"{settings.describe()}, not restored yet",
        scores={INPUT_ROW: score(degraded, face, identity)},
        warnings=notes,
        settings=settings,
    )


def run_experiment(
    photo: str | bytes | None, settings: Degradation, seed: int, restorer: Restorer, identity: IdentityNetwork | None
) -> Outcome:
    """Degrade a clean face, restore it, and measure both against the clean one."""
    before = run_degrade(photo, settings, seed, identity)
    face, degraded = before.pictures.values()
    start = perf_counter()
    restored = restorer.restore_aligned(degraded)
    seconds = perf_counter() - start
    return Outcome(
        pictures={**before.pictures, RESTORED: restored},
        caption=settings.describe(),
        scores={**before.scores, RESTORED_ROW: score(restored, face, identity)},
        warnings=before.warnings + restorer.out_of_range(settings),
        settings=settings,
        seconds=seconds,
    )


def run_restore(photo: str | bytes | None, restorer: Restorer) -> Outcome:
    """Restore a photo whose clean original nobody has: nothing can be measured."""
    face, notes = read_face(photo)
    start = perf_counter()
    restored = restorer.restore_aligned(face)
    return Outcome(
        pictures={PHOTO: face, RESTORED: restored},
        caption="your photo",
        warnings=notes,
        seconds=perf_counter() - start,
    )


def report(outcome: Outcome, restorer: Restorer) -> dict[str, Any]:
    """The outcome without its pictures, as JSON: infinite PSNR is null with ``identical`` true."""
    rows = [
        {
            "method": label.lower(),
            "psnr_db": scores.psnr if math.isfinite(scores.psnr) else None,
            "ssim": scores.ssim,
            "identity_angle_deg": scores.identity_angle,
            "identical": math.isinf(scores.psnr),
        }
        for label, scores in outcome.scores.items()
    ]
    return {
        "metrics": rows,
        "warnings": outcome.warnings,
        "settings": asdict(outcome.settings) if outcome.settings else None,
        "seconds": outcome.seconds,
        "model": {key: restorer.info[key] for key in ("name", "license", "parameters", "device")},
    }


# ------------------------------------------------------------------------------------------------- what is shown


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
    headline, table = measured(outcome.scores, identity.name if identity else None)
    timing = f" · restored in {outcome.seconds:.2f} s" if outcome.seconds is not None else ""
    caption = html.escape(outcome.caption[:1].upper() + outcome.caption[1:]) + timing
    notes = "".join(f"<li>{html.escape(text)}</li>" for text in outcome.warnings)
    facts = f'{headline}<p class="caption">{caption}</p>{table}' + (f'<ul class="notes">{notes}</ul>' if notes else "")
    return {"pictures": pictures, "facts": facts}


def measured(scores: dict[str, Scores], identity_name: str | None) -> tuple[str, str]:
    """Headline and table (HTML) of scores; the first row is what the others are compared with."""
    if not scores:
        return '<p class="verdict">Nothing to measure against</p>', (
            "<p>PSNR, SSIM and identity compare with a clean original. "
            "Without the original of your photo no number would be true, so none is shown.</p>"
        )
    base, last = next(iter(scores.values())), list(scores.values())[-1]
    gain = last.psnr - base.psnr if math.isfinite(last.psnr) or math.isfinite(base.psnr) else 0.0
    if len(scores) == 1:
        headline = '<p class="verdict">Degraded. Now restore it.</p>'
    elif gain < 0:
        amount = f" by {-gain:.2f} dB" if math.isfinite(gain) else ""
        headline = f'<p class="verdict worse">▼ Worse than the input{amount}</p>'
    else:
        amount = f"{gain:.2f} dB closer" if math.isfinite(gain) else "All the way back"
        headline = f'<p class="verdict better">▲ {amount} to the clean original</p>'
    rows = "".join(
        f'<tr><th scope="row">{label}</th>'
        + _cell(row.psnr, base.psnr, 2, 1)
        + _cell(row.ssim, base.ssim, 3, 1)
        + (_cell(row.identity_angle, base.identity_angle, 1, -1) if identity_name else "")
        + "</tr>"
        for label, row in scores.items()
    )
    angle = '<th scope="col">Identity angle<small>degrees, lower is better</small></th>' if identity_name else ""
    about = (
        f"Identity by {html.escape(identity_name)}; it expects a face aligned like the examples."
        if identity_name
        else "Identity is not measured: no identity network is installed here."
    )
    return headline, (
        '<table><caption class="sr">Measured against the clean original</caption><thead><tr><th scope="col">Picture'
        '</th><th scope="col">PSNR<small>dB, higher is better</small></th><th scope="col">SSIM'
        f"<small>0 to 1, higher is better</small></th>{angle}</tr></thead><tbody>{rows}</tbody></table>"
        f'<p class="fine">{about}</p>'
    )


def _cell(value: float | None, base: float | None, digits: int, better: int) -> str:
    """One number and, in every row but the first, how it compares with the degraded input's."""
    if value is None or base is None:
        return "<td>not measured</td>"
    number = "identical" if math.isinf(value) else f"{value:.{digits}f}"
    if value == base:
        return f"<td>{number}</td>"
    gain, size = (value - base) * better, abs(value - base)
    amount = f"{'+' if value > base else '−'}{size:.{digits}f}" if math.isfinite(size) else ""
    mark, words = ("better", "▲") if gain > 0 else ("worse", "▼")
    worse = " worse" if gain < 0 else '<span class="sr"> better</span>'
    return f'<td>{number}<span class="{mark}">{words} {amount}{worse}</span></td>'


RESULT_HTML = """${value ? (([before, after]) => `
<div class="grid">
 <figure class="compare">
  <img class="after" src="${after.file.url}" alt="${after.label} face" width="512" height="512">
  <img class="before" src="${before.file.url}" alt="${before.label} face" width="512" height="512">
  <span class="tag left">${before.label}</span><span class="tag right">${after.label}</span>
  <span class="divider"></span>
  <input type="range" min="0" max="100" step="1" value="50"
   aria-label="Divider: ${before.label} on the left, ${after.label} on the right">
 </figure>
 <section class="facts" aria-label="Measurements">${value.facts}
  <a class="save" href="${after.file.url}" download="${after.name}">Download ${after.label.toLowerCase()} face (PNG)</a>
 </section>
 <div class="side">${value.pictures.map(picture => `<figure>
  <img src="${picture.file.url}" alt="${picture.label} face" width="512" height="512">
  <figcaption>${picture.label} <a href="${picture.file.url}" download="${picture.name}"
   aria-label="Download ${picture.label} as PNG">PNG</a></figcaption></figure>`).join('')}</div>
</div>`)(value.pictures.slice(-2)) : ''}"""

RESULT_JS = """
const spoken = document.createElement('p'); let at = 50;
spoken.className = 'sr'; spoken.setAttribute('role', 'status'); element.after(spoken);
const move = () => { const r = element.querySelector('input[type=range]'), c = element.querySelector('.compare');
  if (r) { r.value = at; r.setAttribute('aria-valuetext', at + ' percent'); c.style.setProperty('--at', at + '%'); } };
element.addEventListener('input', e => { at = +e.target.value; move(); });
watch('value', () => { move(); spoken.textContent = 'New result. ' + element.querySelector('.verdict').textContent; });
move();
"""

STRIP_JS = """
element.addEventListener('click', event => { const b = event.target.closest('button');
  if (b) { trigger('pick', {index: +b.dataset.index}); } });
"""

# On a phone the result is above the button that was pressed: bring it into view.
SHOW_RESULT_JS = """() => { const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (innerWidth < 900) document.querySelector('#result').scrollIntoView({behavior: still ? 'auto' : 'smooth'}); }"""

# A control that cannot change anything is greyed out: angles without a blur, a second axis of a round blur, ...
GATE_JS = """(length, sigma, round, across, factor) => { const on = x => ({__type__: 'update', interactive: x});
  return [on(length > 1), on(!round), on(!round && (sigma > 0 || across > 0)), on(factor !== 1)]; }"""


# ------------------------------------------------------------------------------------------------- the page itself


def shown(function: Callable[P, R]) -> Callable[P, R]:
    """User errors become a message on the page and in the client; everything else is raised as it is."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except InputError as error:
            raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from error

    return wrapper


def on_step(name: str, value: float) -> float:
    """A drawn setting rounded to its control's step, so that the page runs exactly what it shows."""
    return round(round(value / LIMITS[name].step) * LIMITS[name].step, 6)


def fill(preset: str, seed: float | None) -> tuple[Settings, str]:
    """Values of all controls for a preset, and its description. The "custom" preset changes nothing."""
    if preset == CUSTOM:
        return {}, "Your own settings, below."
    drawn = PRESETS[preset].draw(make_seed(seed))
    values = asdict(drawn)
    for name in LIMITS:
        values[name] = on_step(name, values[name] or 0)
    values["isotropic"] = drawn.blur_sigma_y is None
    values["blur_sigma_y"] = values["blur_sigma"] if values["isotropic"] else values["blur_sigma_y"]
    return values, PRESETS[preset].description


def from_controls(values: Settings) -> Degradation:
    """The page's controls to settings: quality 0 is "no JPEG", a round blur has no second axis."""
    values = dict(values)
    if values.pop("isotropic"):
        values["blur_sigma_y"] = None
    values["jpeg"] = values["jpeg"] or None
    return Degradation(**values)


def control(name: str, value: float, interactive: bool) -> gr.Slider:
    """The slider of one numeric setting: range, step, unit and "off" from its limit."""
    limit = LIMITS[name]
    low, words = limit.low, [limit.unit] if limit.off is None else [limit.unit, f"{limit.off:g} is off"]
    if name == "jpeg":
        low, words = 0, ["1 worst, 100 best, 0 is off"]
    label = f"{limit.label} ({', '.join(words)})"
    return gr.Slider(low, limit.high, value, step=limit.step, label=label, buttons=[], interactive=interactive)


def controls(values: Settings) -> dict[str, Any]:
    """One control for every setting, built from its limits. What cannot change anything yet is greyed out."""
    made: dict[str, Any] = {}
    round_blur, blurred = values["isotropic"], max(values["blur_sigma"], values["blur_sigma_y"]) > 0
    idle = {"motion_angle": values["motion_length"] <= 1, "blur_sigma_y": round_blur}
    idle |= {"blur_angle": round_blur or not blurred, "kernel": values["downsample"] == 1}  # as in GATE_JS
    for name in (*list(LIMITS)[:3], "isotropic", *list(LIMITS)[3:6], "kernel", *list(LIMITS)[6:], "grayscale"):
        if name == "kernel":
            made[name] = gr.Dropdown(
                KERNELS, value=values[name], label="Downsampling kernel", interactive=not idle[name]
            )
        elif name in ("isotropic", "grayscale"):
            label = "Round Gaussian blur (same on both axes)" if name == "isotropic" else "Monochrome"
            made[name] = gr.Checkbox(values[name], label=label)
        else:
            made[name] = control(name, values[name], not idle.get(name, False))
    return made


def thumbnail(image: Image) -> str:
    """A small JPEG as a data address: decoration of a button, never measured or downloaded."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).resize((144, 144), PIL.Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def example_paths() -> dict[str, str]:
    """The files of the example faces: the only files outside Gradio's cache that the page may serve."""
    return {face: str(HERE / "examples" / f"{face}.png") for face in FACES}


def strip(faces: dict[str, Image]) -> str:
    """HTML of the one-click examples, each really degraded."""
    buttons = []
    for index, (face, preset) in enumerate(EXAMPLES):
        picture = thumbnail(degrade_image(faces[face], PRESETS[preset].draw(1), 1))
        who, what = FACES[face], PRESETS[preset].label
        buttons.append(
            f'<button type="button" data-index="{index}" aria-label="Example: {who}, {what}">'
            f'<img src="{picture}" alt="" width="72" height="72"><span>{who.split()[0]}<br>{what}</span></button>'
        )
    return f'<div class="strip" role="group" aria-label="Examples">{"".join(buttons)}</div>'


def refill(names: Sequence[str], preset: str, seed: float | None) -> list[Any]:
    """[description, value of every control], with ``gr.skip()`` where the preset changes nothing."""
    values, description = fill(preset, seed)
    return [f"<p>{description}</p>", *(values.get(name, gr.skip()) for name in names)]


def photo_notes(photo: str | bytes | None) -> str:
    """What to know about a picture that was just chosen, as HTML; a bad file is refused here, before any button."""
    return "".join(f"<p>{html.escape(text)}</p>" for text in read_face(photo)[1]) if photo else ""


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
                        seed = gr.Number(
                            1, label="Seed", precision=0, minimum=0, maximum=MAX_SEED, scale=2, min_width=70
                        )
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
            knob.input(None, None, [preset, about], js=f"() => ['{CUSTOM}', '<p>{fill(CUSTOM, 0)[1]}</p>']")
        gates = [knobs[name] for name in ("motion_length", "blur_sigma", "isotropic", "blur_sigma_y", "downsample")]
        gated = [knobs[name] for name in ("motion_angle", "blur_sigma_y", "blur_angle", "kernel")]
        gr.on([gate.change for gate in gates], None, gates, gated, js=GATE_JS, trigger_mode="always_last")
        for component, note in ((face, face_note), (photo, photo_note)):
            component.input(shown(photo_notes), component, note, **quiet)
        add_endpoints(restorer, identity)
    return page


ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1}


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


def footer(info: dict[str, Any]) -> str:
    """Weights, licence and privacy in one compact line each."""
    size = f"{info['parameters'] / 1e6:.1f} M parameters"
    facts = f"Weights “{info['name']}” · {size} · licence of the weights: {info['license']} · on {info['device']}"
    return f'<div class="foot"><p>{html.escape(facts)}</p><p>{PRIVACY}</p></div>'


BARE: dict[str, Any] = {"apply_default_css": False}
NOTE: dict[str, Any] = {"elem_classes": "note", **BARE}
PRIVACY = (
    "Your picture is processed on the machine that runs this page, is never shown to another visitor, and its "
    "temporary copies are deleted within two hours. No analytics, no history."
)
HEADER_HTML = """<header class="top"><h1>Face restoration, <em>measured</em></h1>
<p>Degrade a clean face, restore it, and see how much of it came back.
Or <button type="button">restore a photo of your own</button>.</p></header>"""
HEADER_JS = """element.addEventListener('click', event => { if (!event.target.closest('button')) return;
  document.querySelectorAll('#panel [role=tab]')[1].click();
  document.querySelector('#panel').scrollIntoView({block: 'start'}); });"""
CROP_HTML = """<p>For now the centred square of a photo is restored: crop it so that one upright face fills it,
as in the examples.</p>"""
EXAMPLES_HTML = """<p>The example faces, Eileen Collins (NASA) and Grace Hopper (US Navy), were enlarged 3.1× and 1.4×
to fill 512 × 512 pixels, so their originals are a little soft too.</p>"""

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

CSS = """
.gradio-container {max-width: 1320px !important; width: 100%; margin: 0 auto;
  --good: #0f766e; --bad: #b91c1c; --line: var(--border-color-primary); --soft: var(--body-text-color-subdued)}
.dark, .dark .gradio-container {--good: #2dd4bf; --bad: #fca5a5; --color-accent: var(--primary-400)}
.gradio-container > .main {padding: 14px 20px 8px}
.gradio-container, .gradio-container :is(.main, .wrap, main, .html-container) {min-width: 0}
.gradio-container .html-container {padding: 0}
.sr {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap}
:is(.strip button, .top button, .facts a, .side a):focus-visible {outline: 3px solid var(--good); outline-offset: 1px}
.compare:has(input:focus-visible) {outline: 3px solid var(--good); outline-offset: 2px}

.top h1 {margin: 0; font-size: 1.7rem; line-height: 1.2; font-weight: 700; letter-spacing: -.02em;
  color: var(--body-text-color)}
.top em {font-style: normal; color: var(--good)}
.top p {margin: 4px 0 0; color: var(--soft)}
.top button {padding: 0; border: 0; background: none; font: inherit; color: var(--good); text-decoration: underline;
  cursor: pointer}

.strip {display: flex; gap: 8px; overflow-x: auto; padding: 3px; margin: 0 -3px; scrollbar-width: thin}
.strip button {flex: 1 0 136px; display: flex; align-items: center; gap: 8px; padding: 4px; cursor: pointer;
  border: 1px solid var(--line); border-radius: 10px; background: var(--block-background-fill);
  color: var(--body-text-color); font-size: .8rem; line-height: 1.25; text-align: left}
.strip button:hover {border-color: var(--good)}
.strip img {width: 56px; height: 56px; border-radius: 7px; flex: none}

#result figure {margin: 0}
#result .grid {display: grid; gap: 14px 20px; align-items: start;
  grid-template: 'compare facts' auto 'side facts' 1fr / minmax(0, 4.6fr) minmax(0, 3.6fr)}
.compare {grid-area: compare; position: relative; aspect-ratio: 1; border-radius: 14px; overflow: hidden;
  background: #0003; --at: 50%}
.compare img {position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover}
.compare .before {clip-path: inset(0 calc(100% - var(--at)) 0 0)}
.compare .divider {position: absolute; inset: 0 auto 0 var(--at); width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 6px #0008; pointer-events: none}
.compare .divider::after {content: '◂ ▸'; position: absolute; top: 50%; left: 50%; transform: translate(-50%, -50%);
  padding: 7px 9px; border-radius: 99px; background: #fff; color: #1c1917; font-size: 13px; line-height: 1;
  white-space: nowrap; box-shadow: 0 1px 5px #0006}
.compare input {position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize;
  touch-action: pan-y}
.compare .tag {position: absolute; top: 10px; padding: 3px 10px; border-radius: 99px; background: #1c1917d9;
  color: #fff; font-size: .8rem; pointer-events: none}
.tag.left {left: 10px}
.tag.right {right: 10px}

.facts {grid-area: facts; color: var(--body-text-color); font-size: .92rem}
.facts p {margin: 0 0 10px}
.facts .caption, .facts .fine, .note p {color: var(--soft); font-size: .84rem}
.facts .verdict {font-size: 1.3rem; line-height: 1.25; font-weight: 700; letter-spacing: -.01em}
.better {color: var(--good)}
.worse {color: var(--bad)}
.facts table {width: 100%; border-collapse: collapse; margin: 0 0 8px; font-variant-numeric: tabular-nums}
.facts :is(th, td) {padding: 7px 6px 7px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  font-size: .9rem}
.facts thead th {font-size: .8rem; font-weight: 600}
.facts small {display: block; font-weight: 400; font-size: .72rem; color: var(--soft)}
.facts td > span {display: block; font-size: .78rem; font-weight: 600}
.facts .notes {margin: 0 0 12px; padding: 8px 12px; list-style: none; border-left: 3px solid #d97706;
  background: #d9770618; font-size: .84rem}
.facts .save {display: block; padding: 10px; border: 1px solid var(--good); border-radius: 10px; text-align: center;
  color: var(--good); font-weight: 600; text-decoration: none}
.facts .save:hover {background: color-mix(in srgb, var(--good) 12%, transparent)}

.side {grid-area: side; display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 12px}
.side img {width: 100%; height: auto; aspect-ratio: 1; border-radius: 10px; display: block}
.side figcaption {display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 6px; padding-top: 4px;
  color: var(--soft); font-size: .8rem}
.side a {color: var(--good); text-decoration: underline}

#panel {gap: 10px}
#dice {align-self: center; height: 42px; padding: 0 6px; font-size: .88rem; white-space: nowrap}
.press button {padding: 10px 8px; font-size: .98rem; white-space: nowrap}
.note p {margin: 0 2px 2px}
.note:not(:has(p)) {display: none}
.foot {border-top: 1px solid var(--line); padding-top: 10px; margin-top: 4px}
.foot p {margin: 0 0 3px; font-size: .78rem; color: var(--soft)}
footer .divider {display: none}

@media (min-width: 900px) {#desk > .column:first-child {position: sticky; top: 12px; align-self: flex-start}}
@media (max-width: 900px) {#result {scroll-margin-top: 8px}}
@media (max-width: 640px) {
  .gradio-container > .main {padding: 10px 14px 84px}
  .top h1 {font-size: 1.35rem}
  .top p {font-size: .86rem}
  .strip button {flex: 0 0 auto}
  #result .grid {grid-template: 'compare' 'facts' 'side' / minmax(0, 1fr)}
  .press {position: fixed !important; left: 0; right: 0; bottom: 0; z-index: 40; flex-wrap: nowrap !important;
    padding: 10px 14px calc(10px + env(safe-area-inset-bottom)); border-top: 1px solid var(--line);
    background: var(--body-background-fill)}
}
"""


def main() -> None:
    """Load everything once, then serve. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT are Gradio's own."""
    page = build_page(Restorer.from_pretrained(), load_identity())
    page.queue(max_size=64).launch(
        theme=THEME, css=CSS, footer_links=["api"], run_history=False, max_file_size=MAX_UPLOAD, ssr_mode=False,
        enable_monitoring=False, allowed_paths=list(example_paths().values()),
    )  # fmt: skip


if __name__ == "__main__":
    main()
