"""What can a program ask of the page?  Named endpoints for ``gradio_client``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gradio as gr

from restoration.degrade.degradations import LIMITS, Degradation
from restoration.degrade.protocols import PRESETS
from restoration.degrade.resampling import KERNELS
from restoration.faces.detection import AUTO, DEFAULT, EMBEDDED, load_detector
from restoration.faces.photo import CENTRED, CentredSquare, NoFaceError, describe
from restoration.images import Image, InputError, read_image
from restoration.lab.experiment import (
    CLEAN,
    DEGRADED,
    MAX_SEED,
    RESTORED,
    make_seed,
    report,
    run_degrade,
    run_experiment,
)
from restoration.measure.faithfulness import examine
from restoration.page.maps import amplified, heat
from restoration.page.panel import GAIN, TOP
from restoration.page.parts import ONE_AT_A_TIME, photo_input, shown
from restoration.page.photo_pack import model_facts
from restoration.page.site import Site

SEARCHES = (AUTO, DEFAULT, EMBEDDED, CENTRED)  # what a program may choose: no folders, no download of 110 MB


def add_endpoints(site: Site) -> None:
    """Parameters default to "off"; values are checked by ``Degradation``.

    Parameters that may be None stand in the signatures: only there does the client see that they are optional.
    """
    restorer, identity = site.restorer, site.identity

    def degrade(
        image: Any, seed: float | None, *, blur_sigma_y: float | None = None, jpeg: Any = None, **others: Any
    ) -> tuple[Image, dict[str, Any]]:
        """Degrade a clean face (its centre square at 512 x 512). Returns the degraded face and its metrics."""
        settings = Degradation(**others, blur_sigma_y=blur_sigma_y, jpeg=jpeg)
        outcome = run_degrade(image, settings, make_seed(seed), identity)
        return outcome.pictures[DEGRADED], report(outcome, restorer)

    def restore(
        image: Any, *, detector: str = AUTO, scale: int = 1, strength: float = 1.0
    ) -> tuple[Image, dict[str, Any]]:
        """Restore every face of a photo and put each back; the rest stays as it is. Where no face is found, the centred
        square is taken for one. Returns the whole photo, and where its faces are and how far each was changed: without
        a clean original nothing else can be measured."""
        if image is None:
            raise InputError("There is no picture yet. Send one.")
        if detector not in SEARCHES:
            raise InputError(f"The detector is one of {', '.join(SEARCHES)}, not {detector!r}.")
        photo, notes = read_image(image), []
        looking = CentredSquare() if detector == CENTRED else load_detector(detector)
        try:
            done = restorer.restore(photo, detector=looking, scale=scale, strength=strength)
        except NoFaceError:
            notes = ["No face was found: the centred square was taken for one."]
            done = restorer.restore(photo, centre=True, scale=scale, strength=strength)
        asked = {"detector": done.detector, "scale": scale, "strength": strength}
        return done.photo, {**asked, **describe(done), "warnings": notes, "model": model_facts(restorer)}

    def degrade_and_restore(
        image: Any, seed: float | None, *, blur_sigma_y: float | None = None, jpeg: Any = None, **others: Any
    ) -> tuple[Image, Image, dict[str, Any]]:
        """Degrade a clean face and restore it. Returns both faces, and both measured against the clean one."""
        settings = Degradation(**others, blur_sigma_y=blur_sigma_y, jpeg=jpeg)
        outcome = run_experiment(image, settings, make_seed(seed), restorer, identity)
        return outcome.pictures[DEGRADED], outcome.pictures[RESTORED], report(outcome, restorer)

    def examine_restoration(
        image: Any, seed: float | None, *, blur_sigma_y: float | None = None, jpeg: Any = None, **others: Any
    ) -> tuple[Image, Image, dict[str, Any]]:
        """Degrade and restore a clean face, and look where it changed. Returns the change 4 x amplified around grey,
        the expected error (dark is 0, yellow 20 grey levels or more), and errors by region, identity and warnings."""
        settings, number = Degradation(**others, blur_sigma_y=blur_sigma_y, jpeg=jpeg), make_seed(seed)
        pictures = run_experiment(image, settings, number, restorer, None).pictures
        seen = examine(
            pictures[DEGRADED],
            pictures[RESTORED],
            restorer.restore_tensor,
            restorer.calibration,
            truth=pictures[CLEAN],
            recipe=(settings, number),
            identity=identity,
        )
        return amplified(seen.change, GAIN), heat(seen.uncertainty, TOP), seen.report()

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
        whole = gr.Image(label="The photo with its faces restored, PNG", format="png")
        search: dict[str, Any] = {
            "detector": gr.Textbox(AUTO, label=f"What looks for faces: {', '.join(SEARCHES)}"),
            "scale": gr.Number(1, precision=0, label="Enlargement: 1, 2 or 4"),
            "strength": gr.Number(1.0, label="Strength, 0 (untouched) to 1 (restored)"),
        }
        metrics = gr.JSON(label="Metrics, settings, warnings, model")
        change, unsure = (
            gr.Image(label=f"{word}, 512 x 512 PNG", format="png") for word in ("Change", "Expected error")
        )
        seen = gr.JSON(label="Errors by region in grey levels, identity, skin, warnings")
        hidden = gr.Button()
    hidden.click(shown(degrade), [image, number], [degraded, metrics], inputs_kwargs=fields, api_name="degrade")
    hidden.click(shown(restore), image, [whole, metrics], inputs_kwargs=search, api_name="restore", **ONE_AT_A_TIME)
    hidden.click(shown(degrade_and_restore), [image, number], [degraded, restored, metrics], inputs_kwargs=fields,
                 api_name="degrade_and_restore", **ONE_AT_A_TIME)  # fmt: skip
    hidden.click(shown(examine_restoration), [image, number], [change, unsure, seen], inputs_kwargs=fields,
                 api_name="examine", **ONE_AT_A_TIME)  # fmt: skip
    hidden.click(shown(presets), number, metrics, api_name="presets")
