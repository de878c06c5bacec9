"""What can a program ask of the laboratory?  Comparisons, sweeps and recipes, for ``gradio_client`` and MCP."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import gradio as gr

from restoration.degrade.degradations import Degradation
from restoration.degrade.protocols import PRESETS
from restoration.images import InputError
from restoration.lab.bundle import comparison_bundle, grid_bundle
from restoration.lab.comparison import MAX_CASES, compare
from restoration.lab.experiment import MAX_SEED, make_seed, read_face
from restoration.lab.grid import AXES, MAX_POINTS, run_grid
from restoration.lab.recipe import Recipe
from restoration.measure.estimate import load_estimator
from restoration.page.guess import in_words
from restoration.page.lab_values import point_values, row_values
from restoration.page.links import drawn, plan, share, write_recipe
from restoration.page.parts import LABORATORY, photo_input, publish, shown
from restoration.page.site import Site

# Text, not gr.JSON: that declares a type that is no JSON Schema, and clients of the protocol refuse the tool.
DEFAULT_CASES = '{"Old phone": "old_phone", "Noise": {"noise": 20}}'


def read_json(text: str) -> Any:
    """What a JSON text holds.

    Raises:
        InputError: not JSON.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
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


def add_lab_endpoints(site: Site) -> None:
    """The endpoints, each with its own small form that nobody sees."""
    restorer, identity = site.restorer, site.identity

    def compare_degradations(image: Any, degradations: str, seed: float | None) -> tuple[dict[str, Any], str]:
        """Degrade a clean face in several ways and restore each by the network, non-local means, Lanczos and Wiener.

        Args:
            image: a photo; its centre square is the clean face.
            degradations: JSON object of labels to settings or keys of presets, at most 12.
            seed: of the noise.

        Returns:
            PSNR, SSIM and identity angle of every picture and their gains over the degraded input.
            A zip with lossless pictures, recipe, CSV, plots and Python code.
        """
        face, number = read_face(image)[0], make_seed(seed)
        asked = read_json(degradations)
        if not isinstance(asked, dict) or not 1 <= len(asked) <= MAX_CASES:
            raise InputError(f"Give 1 to {MAX_CASES} degradations as an object such as {DEFAULT_CASES}.")
        cases = {label: named_settings(value, number) for label, value in asked.items()}
        recipe = write_recipe("compare", face, site.known, number, restorer.fingerprint, cases=cases)
        rows = list(compare(face, cases, number, restorer, identity))
        drawn_rows = [row_values(row, index)[0] for index, row in enumerate(rows)]
        zipped = publish({"comparison.zip": comparison_bundle(recipe, face, rows)})["comparison.zip"]
        return {"rows": drawn_rows, **share(recipe)}, zipped["path"]

    def sweep_severities(
        image: Any,
        column_setting: str,
        column_low: float,
        column_high: float,
        column_steps: float,
        row_setting: str,
        row_low: float,
        row_high: float,
        row_steps: float,
        base: str,
        seed: float | None,
    ) -> tuple[dict[str, Any], str]:
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
        face, number = read_face(image)[0], make_seed(seed)
        y = (row_setting, row_low, row_high, row_steps) if row_setting else None
        start = named_settings(base if base in PRESETS else read_json(base), number)
        grid = plan(start, (column_setting, column_low, column_high, column_steps), y)  # type: ignore[arg-type]
        recipe = write_recipe("sweep", face, site.known, number, restorer.fingerprint, plan=grid)
        points = list(run_grid(face, grid, number, restorer, identity))
        zipped = publish({"sweep.zip": grid_bundle(recipe, face, points)})["sweep.zip"]
        return {"points": [point_values(point) for point in points], **share(recipe)}, zipped["path"]

    def read_recipe(token: str) -> dict[str, Any]:
        """Read the recipe of a link to this page: its settings as JSON text, and Python code that prints its numbers.

        Args:
            token: what stands behind "#recipe=" in the link.

        Returns:
            The recipe's JSON and code, and whether this page's weights are those that it was made with.
        """
        recipe = Recipe.from_token(token)
        same = recipe.model == restorer.fingerprint
        return {"recipe": recipe.to_json(), "same_weights": same, **share(recipe)}

    estimator = load_estimator()

    def estimate_degradation(image: Any) -> dict[str, Any]:
        """Estimate what a photo of a face has been through: blur, downsampling, noise and JPEG quality, with intervals.

        Args:
            image: a photo; its centre square is looked at.

        Returns:
            Every quantity with its interval, the same in words, and settings that replay it on another face.
        """
        seen = estimator.estimate(read_face(image)[0])
        return {**asdict(seen), "words": in_words(seen), "settings": asdict(seen.settings())}

    with gr.Column(visible=False):
        image = photo_input(label="Picture: PNG, JPEG, WebP, GIF, BMP or TIFF")
        cases = gr.Textbox(DEFAULT_CASES, label=f"JSON: label to settings or preset, at most {MAX_CASES}")
        number = gr.Number(0, label=f"Seed of the noise, 0 to {MAX_SEED}")
        axes: list[Any] = []
        for place, (name, low, high, steps) in {"Columns": ("noise", 0, 40, 5), "Rows": ("", 0, 30, 4)}.items():
            axes.append(gr.Textbox(name, label=f"{place}: one of {', '.join(AXES)}{'' if name else ', or empty'}"))
            texts = ("lowest value", "highest value", f"steps, at least 2; {MAX_POINTS} points at most")
            for text, value in zip(texts, (low, high, steps), strict=True):
                axes.append(gr.Number(value, label=f"{place}: {text}"))
        base = gr.Textbox("{}", label="All other settings, as a JSON object, or the key of a preset")
        token = gr.Textbox(label="Token of a recipe")
        answer = gr.JSON(label="Scores, gains, estimates, recipe token and code")
        archive = gr.File(label="Zip")
        hidden = gr.Button()
    options: dict[str, Any] = {**LABORATORY, "api_visibility": "public"}
    hidden.click(shown(compare_degradations), [image, cases, number], [answer, archive], api_name="compare", **options)
    hidden.click(shown(sweep_severities), [image, *axes, base, number], [answer, archive], api_name="sweep", **options)
    hidden.click(shown(estimate_degradation), image, answer, api_name="estimate")
    hidden.click(shown(read_recipe), token, answer, api_name="recipe")
