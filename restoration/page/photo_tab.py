"""The second tab: a photo whose clean original nobody has. Its faces are found, chosen, restored and put back."""

from __future__ import annotations

import io
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from restoration.degrade.protocols import PRESETS
from restoration.faces.alignment import align_face
from restoration.faces.detection import find_faces, load_detector
from restoration.faces.face import Face
from restoration.faces.photo import CentredSquare
from restoration.images import InputError, write_png
from restoration.images.photo_file import read_photo
from restoration.lab.experiment import PHOTO, RESTORED, Outcome, make_seed, run_experiment
from restoration.measure.estimate import load_estimator
from restoration.page.assets import (
    FACES_HTML,
    PHOTO_HTML,
    PHOTO_JS,
    RESULT_HTML,
    RESULT_JS,
    SHOW_RESULT_JS,
    STRENGTH_JS,
)
from restoration.page.estimate_panel import add_estimate
from restoration.page.examine import add_examination
from restoration.page.parts import BARE, NOTE, QUIET, network_event, photo_input, present, shown
from restoration.page.photo_pack import PhotoFiles, add_photo_pack, at_strength, keep
from restoration.page.photo_values import numbered, present_photo
from restoration.page.site import Site
from restoration.page.words import PHOTO_HTML as ABOUT_HTML
from restoration.page.words import refused

NO_PHOTO = "There is no photo yet. Upload one, or take one with the camera."
ENLARGED = [("As large as it is", 1), ("Twice as large", 2), ("Four times as large", 4)]


def add_photo_tab(site: Site) -> None:
    """Layout and events. What is kept between events is where this visitor's faces and files are, no picture."""
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=7, min_width=320):
            result = gr.HTML(
                html_template=PHOTO_HTML, js_on_load=PHOTO_JS, elem_id="photo-result", elem_classes="result", **BARE
            )
            add_examination(site, result)
            add_estimate(site, load_estimator(), result)
        with gr.Column(scale=4, min_width=320, elem_classes="panel"):
            photo = photo_input(label="Your photo", height=190, alt_text="The photo to restore", elem_id="photo")
            gr.HTML(ABOUT_HTML, **NOTE)
            note = gr.HTML("", **NOTE)
            found = gr.HTML(html_template=FACES_HTML, elem_id="faces", **BARE)
            chosen = gr.CheckboxGroup([], label="Faces to restore", visible=False, elem_id="chosen")
            scale = gr.Radio(ENLARGED, value=1, label="Size of the result")
            strength = gr.Slider(0, 1, 1, step=0.05, label="Strength: 0 untouched, 1 restored", buttons=[])
            with gr.Row(elem_classes="press"):
                restore_button = gr.Button("Restore", variant="primary")
                save = gr.DownloadButton("Download photo", interactive=False)
            with gr.Accordion("Degrade a face of this photo, then restore it", open=False):
                gr.HTML("<p>The face as it is in your photo is the truth that is measured against.</p>", **NOTE)
                with gr.Row():
                    number = gr.Dropdown([], label="Face", min_width=130, scale=2)
                    choices = [(preset.label, key) for key, preset in PRESETS.items()]
                    preset = gr.Dropdown(choices, value="old_phone", label="Degradation", min_width=130, scale=2)
                    seed = gr.Number(1, label="Seed", min_width=70)
                test_button = gr.Button("Degrade & restore this face")
                tested = gr.HTML(
                    html_template=RESULT_HTML,
                    js_on_load=RESULT_JS,
                    elem_id="face-result",
                    elem_classes="result",
                    **BARE,
                )
    faces = gr.State([])  # of the photo, in the order of their numbers
    files = gr.State(())  # ``PhotoFiles`` of the result
    add_photo_pack(result, files, strength)

    def find(photo: str | bytes | None) -> list[Any]:
        """[photo, note, numbered faces, choice, face to test, faces]; a bad file is refused before any button."""
        if photo is None:
            return [gr.skip(), "", None, gr.CheckboxGroup([], value=[], visible=False), gr.Dropdown([], value=None), []]
        try:
            image = read_photo(photo).image
        except InputError as error:
            nothing = gr.CheckboxGroup([], value=[], visible=False)
            return [None, refused(error), None, nothing, gr.Dropdown([], value=None), []]
        detector = load_detector()
        seen = find_faces(image, detector) or CentredSquare().find(image)
        names = [(f"Face {i}" if seen[0].score else "The centred square", i) for i in range(1, len(seen) + 1)]
        every = [i for _, i in names]
        choice = gr.CheckboxGroup(names, value=every, visible=True)
        return [gr.skip(), "", numbered(image, seen, detector.name), choice, gr.Dropdown(names, value=1), seen]

    def restore_faces(
        photo: str | bytes | None,
        faces: list[Face],
        chosen: Sequence[int],
        scale: int,
        strength: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio looks for it there
    ) -> list[Any]:
        """[result, download, files]"""
        if photo is None:
            raise InputError(NO_PHOTO)
        source = read_photo(photo)
        if not faces:  # the button was faster than the search
            faces = find_faces(source.image, load_detector()) or CentredSquare().find(source.image)
            chosen = range(1, len(faces) + 1)
        wanted = [faces[i - 1] for i in sorted(chosen) if i <= len(faces)]
        if not wanted:
            raise InputError("No face is chosen. Tick at least one under “Faces to restore”.")

        def count(done: int, faces: int) -> None:
            progress((done, faces), desc="Faces", unit="faces")

        detector = CentredSquare() if wanted[0].score == 0 else load_detector()
        done = site.restorer.restore(source.image, detector=detector, faces=wanted, scale=scale, progress=count)
        folder = Path(get_upload_folder()) / secrets.token_urlsafe(24)  # one result of one visitor
        folder.mkdir(parents=True)
        first = done.faces[0]  # the one that the button below the result examines
        crops = {PHOTO: first.input_crop, RESTORED: first.restored_crop}
        outcome = present(Outcome(pictures=crops, caption="a face of your photo"), site.identity)
        value = {**present_photo(done, sorted(chosen), folder), "pictures": outcome["pictures"]}
        kept = keep(photo, done, sorted(chosen), site.restorer, folder)
        return [value, download(kept, strength), kept]

    def download(files: Sequence[Any], strength: float) -> Any:
        """The button with the photo at this strength."""
        if not files:
            return gr.skip()
        return gr.DownloadButton(value=str(at_strength(PhotoFiles(*files), strength)), interactive=True)

    def test(
        photo: str | bytes | None, faces: list[Face], number: int | None, preset: str, seed: Any
    ) -> dict[str, Any]:
        if photo is None or not number or number > len(faces):
            raise InputError(NO_PHOTO)
        face, buffer = align_face(read_photo(photo).image, faces[number - 1].landmarks), io.BytesIO()
        write_png(face, buffer)
        settings = PRESETS[preset].draw(make_seed(seed))
        return present(
            run_experiment(buffer.getvalue(), settings, make_seed(seed), site.restorer, site.identity), site.identity
        )

    # Until the faces of this photo are known, what is ticked belongs to another: the button waits for them.
    photo.input(None, None, restore_button, js="() => ({__type__: 'update', interactive: false})")
    photo.input(
        find, photo, [photo, note, found, chosen, number, faces], trigger_mode="always_last", **network_event(found)
    ).then(lambda: gr.Button(interactive=True), None, restore_button, **QUIET)
    restore_button.click(
        shown(restore_faces), [photo, faces, chosen, scale, strength], [result, save, files], **network_event(result)
    )
    restore_button.click(None, js=SHOW_RESULT_JS)
    strength.change(None, strength, None, js=STRENGTH_JS)
    strength.change(shown(download), [files, strength], save, trigger_mode="always_last", **QUIET)
    test_button.click(shown(test), [photo, faces, number, preset, seed], tested, **network_event(tested))
