"""The second tab: a photo whose clean original nobody has. Its faces are found, chosen, restored and put back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from restoration.degrade.protocols import PRESETS
from restoration.faces import Face, align_face
from restoration.faces.detection import find_faces, load_detector
from restoration.faces.photo import CentredSquare
from restoration.images import InputError, write_png
from restoration.images.photo_file import read_photo
from restoration.lab.experiment import PHOTO, RESTORED, Outcome, make_seed
from restoration.page.examine import add_estimate, add_examination
from restoration.page.photo_files import PhotoFiles, at_strength, keep, numbered, photo_zip, present_photo
from restoration.page.settings import preset_choices
from restoration.page.site import Site
from restoration.page.widgets import (
    QUIET,
    drawing,
    network_event,
    new_folder,
    note,
    photo_input,
    present,
    result_view,
    user_errors,
    write_files,
)
from restoration.page.words import refused, t

NO_PHOTO = "There is no photo yet. Upload one, or take one with the camera."


class PhotoTab:
    """Layout, events and handlers. What is kept between events is where this visitor's faces and files are."""

    def __init__(self, site: Site) -> None:
        self._site = site
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=7, min_width=320):
                result = drawing(
                    "photo", label="no_photo", events="pack", elem_id="photo-result", elem_classes="result"
                )
                add_examination(site, result)
                add_estimate(site, result)
            with gr.Column(scale=4, min_width=320, elem_classes="panel"):
                alt = "The photo to restore"
                photo = photo_input(label=t("photo"), height=190, alt_text=alt, elem_id="photo")
                note("note_photo")
                said = note()
                found = drawing("faces", elem_id="faces")
                chosen = gr.CheckboxGroup([], label=t("chosen_faces"), visible=False, elem_id="chosen")
                sizes = [(t(f"scale_{scale}"), scale) for scale in (1, 2, 4)]
                scale = gr.Radio(sizes, value=1, label=t("scale"))
                strength = gr.Slider(0, 1, 1, step=0.05, label=t("strength"), buttons=[])
                with gr.Row(elem_classes="press"):
                    restore = gr.Button(t("restore"), variant="primary")
                    save = gr.DownloadButton(t("save_photo"), interactive=False)
                with gr.Accordion(t("test_face"), open=False):
                    note("note_test_face")
                    with gr.Row():
                        options: dict[str, Any] = {"min_width": 130, "scale": 2}
                        number = gr.Dropdown([], label=t("number"), **options)
                        preset = gr.Dropdown(preset_choices(), value="old_phone", label=t("preset"), **options)
                        seed = gr.Number(1, label=t("seed"), min_width=70)
                    test = gr.Button(t("degrade_restore_face"))
                    tested = result_view(elem_id="face-result")
        faces = gr.State([])  # of the photo, in the order of their numbers
        files = gr.State(())  # ``PhotoFiles`` of the result
        # Until the faces of this photo are known, what is ticked belongs to another: the button waits for them.
        photo.input(None, None, restore, js="() => ({__type__: 'update', interactive: false})")
        looked = [photo, said, found, chosen, number, faces]
        finding = photo.input(self.find, photo, looked, trigger_mode="always_last", **network_event(found))
        finding.then(lambda: gr.Button(interactive=True), None, restore, **QUIET)
        wanted = [photo, faces, chosen, scale, strength]
        restore.click(user_errors(self.restore_faces), wanted, [result, save, files], **network_event(result))
        restore.click(None, js="() => page.showResult()")
        strength.change(None, strength, None, js="strength => page.strength(strength)")
        saved = user_errors(self.download)
        strength.change(saved, [files, strength], save, trigger_mode="always_last", **QUIET)
        test.click(user_errors(self.test), [photo, faces, number, preset, seed], tested, **network_event(tested))
        result.pack(user_errors(self.pack), [files, strength], drawing("packed"), **QUIET)

    def find(self, photo: str | bytes | None) -> list[Any]:
        """[photo, note, numbered faces, choice, face to test, faces]; a bad file is refused before any button."""
        nothing: list[Any] = [None, gr.CheckboxGroup([], value=[], visible=False), gr.Dropdown([], value=None), []]
        if photo is None:
            return [gr.skip(), "", *nothing]
        try:
            image = read_photo(photo).image
        except InputError as error:
            return [None, refused(error), *nothing]
        detector = load_detector()
        seen = find_faces(image, detector) or CentredSquare().find(image)
        names = [(f"Face {i}" if seen[0].score else "The centred square", i) for i in range(1, len(seen) + 1)]
        choice = gr.CheckboxGroup(names, value=[i for _, i in names], visible=True)
        return [gr.skip(), "", numbered(image, seen, detector.name), choice, gr.Dropdown(names, value=1), seen]

    def restore_faces(
        self,
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
        numbers = sorted(i for i in chosen if i <= len(faces))
        wanted = [faces[i - 1] for i in numbers]
        if not wanted:
            raise InputError("No face is chosen. Tick at least one under “Faces to restore”.")

        def count(done: int, faces: int) -> None:
            progress((done, faces), desc="Faces", unit="faces")

        detector = CentredSquare() if wanted[0].score == 0 else load_detector()
        done = self._site.restorer.restore(source.image, detector=detector, faces=wanted, scale=scale, progress=count)
        first = done.faces[0]  # the one that the buttons below the result examine
        crops = {PHOTO: first.input_crop, RESTORED: first.restored_crop}
        examined = present(Outcome(pictures=crops, caption="a face of your photo"), None)["pictures"]
        folder = new_folder()
        value = {**present_photo(done, numbers, folder), "pictures": examined}
        files = keep(photo, done, numbers, self._site.restorer, folder)
        return [value, self.download(files, strength), files]

    def download(self, files: Sequence[Any], strength: float) -> Any:
        """The button with the photo at this strength."""
        if not files:
            return gr.skip()
        return gr.DownloadButton(value=str(at_strength(PhotoFiles(*files), strength)), interactive=True)

    def pack(self, files: Sequence[Any], strength: float) -> dict[str, Any]:
        """The zip, made when the result asks for it."""
        if not files or not Path(files[1]).is_dir():
            raise InputError("The result has expired. Press “Restore” again.")
        return write_files({"photo.zip": photo_zip(PhotoFiles(*files), strength)}, new_folder())["photo.zip"]

    def test(
        self, photo: str | bytes | None, faces: list[Face], number: int | None, preset: str, seed: Any
    ) -> dict[str, Any]:
        """What ``page.result`` draws of a face of the photo that is degraded and restored."""
        if photo is None or not number or number > len(faces):
            raise InputError(NO_PHOTO)
        face, buffer = align_face(read_photo(photo).image, faces[number - 1].landmarks), io.BytesIO()
        write_png(face, buffer)
        outcome = self._site.run(buffer.getvalue(), PRESETS[preset].draw(make_seed(seed)), make_seed(seed))
        return present(outcome, self._site.identity_name)
