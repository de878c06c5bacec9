"""What a program or an agent can ask of the page: named endpoints for ``gradio_client`` and MCP.

Parameters default to "off"; values are checked by ``Degradation``. Those that may be None stand in the signatures: only
there does the client see that they are optional. JSON comes as text, not by gr.JSON: that declares a type that is no
JSON Schema, and clients of the protocol refuse the tool.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict
from typing import Any

import gradio as gr

from restoration import lab
from restoration.degrade import KERNELS, LIMITS, Degradation
from restoration.degrade.protocols import PRESETS
from restoration.faces.detection import AUTO, DEFAULT, EMBEDDED, load_detector
from restoration.faces.photo import CENTRED, CentredSquare, NoFaceError
from restoration.images import Image, InputError, read_image
from restoration.lab import CLEAN, DEGRADED, RESTORED, read_face, run_grid
from restoration.lab.bundle import comparison_bundle, grid_bundle
from restoration.lab.recipe import AXES, MAX_CASES, MAX_POINTS, MAX_SEED, Recipe, make_seed
from restoration.page import reports
from restoration.page import widgets as ui
from restoration.page.compare_tab import point_values, row_values
from restoration.page.photo_tab import model_facts
from restoration.page.site import Site, drawn, plan_of
from restoration.restorer import describe

SEARCHES = (AUTO, DEFAULT, EMBEDDED, CENTRED)  # what a program may choose: no folders, no download of 110 MB
DEFAULT_CASES = '{"Old phone": "old_phone", "Noise": {"noise": 20}}'


def read_json(text: str) -> Any:
    """What a JSON text holds; an InputError where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"Give degradations as JSON, such as {DEFAULT_CASES}.") from error


def named_settings(value: Any, seed: int) -> Degradation:
    """A preset's key or an object of settings, as JSON brings them.

    Raises:
        InputError: neither, or an object that ``Degradation`` refuses.
    """
    if isinstance(value, str):
        if value not in PRESETS:
            raise InputError(f"There is no preset {value!r}; there are {', '.join(PRESETS)}.")
        return drawn(value, seed)
    if not isinstance(value, dict):
        raise InputError('A degradation is the key of a preset or an object such as {"noise": 10}.')
    try:
        return Degradation(**value)
    except TypeError as error:
        raise InputError(f"Unknown setting in {sorted(map(str, value))}; call /presets for examples.") from error


class Endpoints:
    """One method an endpoint; its docstring is the tool's description."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def degrade(
        self, image: Any, seed: float | None, *, blur_sigma_y: float | None = None, jpeg: Any = None, **others: Any
    ) -> tuple[Image, dict[str, Any]]:
        """Degrade a clean face (its centre square at 512 x 512). Returns the degraded face and its metrics."""
        settings = Degradation(**others, blur_sigma_y=blur_sigma_y, jpeg=jpeg)
        outcome = lab.run_degrade(image, settings, make_seed(seed), self._site.identity)
        return outcome.pictures[DEGRADED], lab.report(outcome, self._site.restorer)

    def restore(
        self, image: Any, *, detector: str = AUTO, scale: int = 1, strength: float = 1.0
    ) -> tuple[Image, dict[str, Any]]:
        """Restore every face of a photo and put each back; the rest stays as it is. Where no face is found, the centred
        square is taken for one. Returns the whole photo, and where its faces are and how far each was changed: without
        a clean original nothing else can be measured."""
        if image is None:
            raise InputError("There is no picture yet. Send one.")
        if detector not in SEARCHES:
            raise InputError(f"The detector is one of {', '.join(SEARCHES)}, not {detector!r}.")
        photo, notes, restorer = read_image(image), [], self._site.restorer
        looking = CentredSquare() if detector == CENTRED else load_detector(detector)
        try:
            done = restorer.restore(photo, detector=looking, scale=scale, strength=strength)
        except NoFaceError:
            notes = ["No face was found: the centred square was taken for one."]
            done = restorer.restore(photo, centre=True, scale=scale, strength=strength)
        asked = {"detector": done.detector, "scale": scale, "strength": strength}
        return done.photo, {**asked, **describe(done), "warnings": notes, "model": model_facts(restorer)}

    def degrade_and_restore(
        self, image: Any, seed: float | None, *, blur_sigma_y: float | None = None, jpeg: Any = None, **others: Any
    ) -> tuple[Image, Image, dict[str, Any]]:
        """Degrade a clean face and restore it. Returns both faces, and both measured against the clean one."""
        settings = Degradation(**others, blur_sigma_y=blur_sigma_y, jpeg=jpeg)
        outcome = self._site.run(image, settings, make_seed(seed))
        return outcome.pictures[DEGRADED], outcome.pictures[RESTORED], lab.report(outcome, self._site.restorer)

    def examine_restoration(
        self, image: Any, seed: float | None, *, blur_sigma_y: float | None = None, jpeg: Any = None, **others: Any
    ) -> tuple[Image, Image, dict[str, Any]]:
        """Degrade and restore a clean face, and look where it changed. Returns the change 4 x amplified around grey,
        the expected error (dark is 0, yellow 20 grey levels or more), and errors by region, identity and warnings."""
        settings, number = Degradation(**others, blur_sigma_y=blur_sigma_y, jpeg=jpeg), make_seed(seed)
        pictures = self._site.run(image, settings, number).pictures
        before, after = pictures[DEGRADED], pictures[RESTORED]
        seen = self._site.examine(before, after, truth=pictures[CLEAN], recipe=(settings, number))
        unsure = reports.heat(seen.uncertainty, reports.TOP)
        return reports.amplified(seen.change, reports.GAIN), unsure, seen.report()

    def presets(self, seed: float | None) -> dict[str, Any]:
        """All named degradations: label, description, and the settings that this seed draws."""
        return {
            key: {"label": p.label, "description": p.description, "settings": asdict(p.draw(make_seed(seed)))}
            for key, p in PRESETS.items()
        }

    def compare_degradations(self, image: Any, degradations: str, seed: float | None) -> tuple[dict[str, Any], str]:
        """Degrade a clean face in several ways and restore each by the network, non-local means, Lanczos and Wiener.

        Args:
            image: a photo; its centre square is the clean face.
            degradations: JSON object of labels to settings or keys of presets, at most 12.
            seed: of the noise.

        Returns:
            PSNR, SSIM and identity angle of every picture and their gains over the degraded input.
            A zip with lossless pictures, recipe, CSV, plots and Python code.
        """
        face, number, site = read_face(image)[0], make_seed(seed), self._site
        asked = read_json(degradations)
        if not isinstance(asked, dict) or not 1 <= len(asked) <= MAX_CASES:
            raise InputError(f"Give 1 to {MAX_CASES} degradations as an object such as {DEFAULT_CASES}.")
        cases = {label: named_settings(value, number) for label, value in asked.items()}
        recipe = site.recipe("compare", face, number, cases=cases)
        rows = list(lab.compare(face, cases, number, site.restorer, site.identity))
        values = [row_values(row, index)[0] for index, row in enumerate(rows)]
        zipped = ui.write_file("comparison.zip", comparison_bundle(recipe, face, rows))
        return {"rows": values, **ui.share(recipe)}, zipped["path"]

    def sweep_severities(
        self, image: Any,
        column_setting: str, column_low: float, column_high: float, column_steps: float,
        row_setting: str, row_low: float, row_high: float, row_steps: float,
        base: str, seed: float | None,
    ) -> tuple[dict[str, Any], str]:  # fmt: skip
        """Degrade a clean face over a grid of severities of one or two settings, restore and measure every point.

        Args:
            image: a photo; its centre square is the clean face.
            column_setting: what changes from column to column.
            column_low: its lowest value.
            column_high: its highest value.
            column_steps: how many values.
            row_setting: what changes from row to row; empty for one setting alone.
            row_low: its lowest value.
            row_high: its highest value.
            row_steps: how many values.
            base: every other setting, as a JSON object, or the key of a preset.
            seed: of the noise.

        Returns:
            Scores before and after at every point, and whether the network was trained there.
            A zip with recipe, CSV, plots, corner pictures and Python code.
        """
        face, number, site = read_face(image)[0], make_seed(seed), self._site
        y = (row_setting, row_low, row_high, row_steps) if row_setting else None
        start = named_settings(base if base in PRESETS else read_json(base), number)
        grid = plan_of(start, (column_setting, column_low, column_high, column_steps), y)  # type: ignore[arg-type]
        recipe = site.recipe("sweep", face, number, plan=grid)
        points = list(run_grid(face, grid, number, site.restorer, site.identity))
        zipped = ui.write_file("sweep.zip", grid_bundle(recipe, face, points))
        return {"points": [point_values(point) for point in points], **ui.share(recipe)}, zipped["path"]

    def read_recipe(self, token: str) -> dict[str, Any]:
        """Read the recipe of a link to this page: its settings as JSON text, and Python code that prints its numbers.

        Args:
            token: what stands behind "#recipe=" in the link.

        Returns:
            The recipe's JSON and code, and whether this page's weights are those that it was made with.
        """
        recipe = Recipe.from_token(token)
        same = recipe.model == self._site.restorer.fingerprint
        return {"recipe": recipe.to_json(), "same_weights": same, **ui.share(recipe)}

    def estimate_degradation(self, image: Any) -> dict[str, Any]:
        """Estimate what a photo of a face has been through: blur, downsampling, noise and JPEG quality, with intervals.

        Args:
            image: a photo; its centre square is looked at.

        Returns:
            Every quantity with its interval, the same in words, and settings that replay it on another face.
        """
        seen = self._site.estimator.estimate(read_face(image)[0])
        return {**asdict(seen), "words": reports.in_words(seen), "settings": asdict(seen.settings())}


def add_endpoints(site: Site) -> None:
    """The endpoints, with a form that nobody sees: one field for every name in the signatures of ``Endpoints``."""
    off, null = asdict(Degradation()), {"jpeg": ", null is off", "blur_sigma_y": ", null is round"}

    def face(what: str) -> gr.Image:
        return gr.Image(label=f"{what}, 512 x 512 PNG", format="png")

    with gr.Column(visible=False):
        knobs: dict[str, Any] = {
            name: gr.Number(
                off[name], label=f"{known.label}, {known.low:g} to {known.high:g} {known.unit}{null.get(name, '')}"
            )
            for name, known in LIMITS.items()
        }
        knobs["kernel"] = gr.Textbox(off["kernel"], label=f"Downsampling kernel: {', '.join(KERNELS)}")
        knobs["grayscale"] = gr.Checkbox(off["grayscale"], label="Monochrome")
        fields: dict[str, Any] = {
            "image": ui.photo_input(label="Picture: PNG, JPEG, WebP, GIF, BMP or TIFF"),
            "seed": gr.Number(0, label=f"Seed of the noise, 0 to {MAX_SEED}"),
            **knobs,
            "detector": gr.Textbox(AUTO, label=f"What looks for faces: {', '.join(SEARCHES)}"),
            "scale": gr.Number(1, precision=0, label="Enlargement: 1, 2 or 4"),
            "strength": gr.Number(1.0, label="Strength, 0 (untouched) to 1 (restored)"),
            "degradations": gr.Textbox(DEFAULT_CASES, label=f"JSON: label to settings or preset, at most {MAX_CASES}"),
            "base": gr.Textbox("{}", label="All other settings, as a JSON object, or the key of a preset"),
            "token": gr.Textbox(label="Token of a recipe"),
        }
        texts = ("lowest value", "highest value", f"steps, at least 2; {MAX_POINTS} points at most")
        for place, (name, *values) in {"column": ("noise", 0, 40, 5), "row": ("", 0, 30, 4)}.items():
            what = f"{place.capitalize()}s"
            label = f"{what}: one of {', '.join(AXES)}{'' if name else ', or empty'}"
            fields[f"{place}_setting"] = gr.Textbox(name, label=label)
            for key, text, value in zip(("low", "high", "steps"), texts, values, strict=True):
                fields[f"{place}_{key}"] = gr.Number(value, label=f"{what}: {text}")
        degraded, restored, change, unsure = map(face, (DEGRADED, RESTORED, "Change", "Expected error"))
        whole = gr.Image(label="The photo with its faces restored, PNG", format="png")
        answer = gr.JSON(label="Metrics or scores, settings, warnings, model; errors by region; recipe and code")
        archive = gr.File(label="Zip")
        hidden = gr.Button()
    ask, alone, lab = Endpoints(site), ui.ONE_AT_A_TIME, {**ui.LABORATORY, "api_visibility": "public"}
    for name, handler, outputs, options in (
        ("degrade", ask.degrade, [degraded, answer], {}),
        ("restore", ask.restore, [whole, answer], alone),
        ("degrade_and_restore", ask.degrade_and_restore, [degraded, restored, answer], alone),
        ("examine", ask.examine_restoration, [change, unsure, answer], alone),
        ("presets", ask.presets, [answer], {}),
        ("compare", ask.compare_degradations, [answer, archive], lab),
        ("sweep", ask.sweep_severities, [answer, archive], lab),
        ("estimate", ask.estimate_degradation, [answer], {}),
        ("recipe", ask.read_recipe, [answer], {}),
    ):
        names = list(inspect.signature(handler).parameters)
        asked = ["image", "seed", *knobs] if "others" in names else names
        inputs = {name: fields[name] for name in asked}
        hidden.click(ui.user_errors(handler), None, outputs, inputs_kwargs=inputs, api_name=name, **options)
