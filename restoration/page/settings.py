"""The page's controls: presets to control values, and control values to ``Degradation``.

Convention:
    - there is one control a field of ``Degradation``, by the field's name, and "isotropic" besides
    - a slider cannot be None: jpeg 0 is "no JPEG", and a ticked "isotropic" is "no second axis of the blur"
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gradio as gr

from restoration.degrade import LIMITS, Degradation
from restoration.degrade.operations import KERNELS
from restoration.degrade.protocols import PRESETS
from restoration.lab.experiment import make_seed
from restoration.page.words import t

Settings = dict[str, Any]
CUSTOM = "custom"  # beside the keys of PRESETS: the visitor's own settings
ORDER = (*list(LIMITS)[:3], "isotropic", *list(LIMITS)[3:6], "kernel", *list(LIMITS)[6:], "grayscale")


def fill(preset: str, seed: float | None) -> tuple[Settings, str]:
    """Values of all controls for a preset, and its description for Gradio to translate.

    Args:
        preset: a key of ``PRESETS``, or ``CUSTOM``, which changes nothing: its values are empty.
        seed: whole number in [0, MAX_SEED]; what a preset draws may depend on it.

    Raises:
        InputError: another seed, but for ``CUSTOM``, which needs none.
    """
    if preset == CUSTOM:
        return {}, t("about_custom")
    values = to_controls(PRESETS[preset].draw(make_seed(seed)))
    return values | {name: on_step(name, values[name]) for name in LIMITS}, t(f"about_{preset}")


def from_controls(values: Settings) -> Degradation:
    """The page's controls to settings. ``values`` is not modified.

    Raises:
        InputError: a value that ``Degradation`` refuses.
    """
    values = dict(values)
    if values.pop("isotropic"):
        values["blur_sigma_y"] = None
    values["jpeg"] = values["jpeg"] or None
    return Degradation(**values)


def to_controls(settings: Degradation) -> Settings:
    """Inverse of ``from_controls``, but for what has no effect. Nothing is rounded."""
    values = asdict(settings)
    values["isotropic"] = settings.blur_sigma_y is None
    values["blur_sigma_y"] = settings.blur_sigma if values["isotropic"] else settings.blur_sigma_y
    values["jpeg"] = settings.jpeg or 0
    return values


def on_step(name: str, value: float) -> float:
    """A drawn setting rounded to its control's step, so that the page runs exactly what it shows."""
    return round(round(value / LIMITS[name].step) * LIMITS[name].step, 6)


def idle(values: Settings) -> set[str]:
    """Controls that cannot change anything at these values: angles without a blur, a round blur's second axis, ..."""
    round_blur, blurred = values["isotropic"], max(values["blur_sigma"], values["blur_sigma_y"]) > 0
    resting = {  # as ``gate`` in degrade.js, which follows what the visitor changes
        "motion_angle": values["motion_length"] <= 1,
        "blur_sigma_y": round_blur,
        "blur_angle": round_blur or not blurred,
        "kernel": values["downsample"] == 1,
    }
    return {name for name, rests in resting.items() if rests}


def bounds(name: str) -> tuple[float, float]:
    """Lowest and highest value of a slider."""
    return 0 if name == "jpeg" else LIMITS[name].low, LIMITS[name].high


def controls(values: Settings) -> dict[str, Any]:
    """One control for every setting, built from its limits. What cannot change anything yet is greyed out."""
    made: dict[str, Any] = {}
    for name in ORDER:
        options: dict[str, Any] = {"label": t(name), "value": values[name], "interactive": name not in idle(values)}
        if name == "kernel":
            made[name] = gr.Dropdown(KERNELS, **options)
        elif name in ("isotropic", "grayscale"):
            made[name] = gr.Checkbox(**options)
        else:
            made[name] = gr.Slider(*bounds(name), step=LIMITS[name].step, buttons=[], **options)
    return made


def preset_choices() -> list[tuple[str, str]]:
    """Names and keys of all presets, for a choice."""
    return [(t(f"preset_{key}"), key) for key in PRESETS]
