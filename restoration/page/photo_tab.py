"""The second tab: a photo whose clean original nobody has. Its faces are found, chosen, restored and put back."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from restoration.degrade.protocols import PRESETS
from restoration.faces import Face, align_face
from restoration.faces.detection import find_faces, load_detector
from restoration.faces.pasting import Patch, blend
from restoration.faces.photo import CentredSquare, Restoration
from restoration.images import Image, InputError, read_image, write_png
from restoration.images.photo_file import read_photo, write_photo
from restoration.lab import PHOTO, RESTORED, Outcome, make_seed
from restoration.lab.bundle import archive
from restoration.page import widgets as ui
from restoration.page.reports import called, jpeg_address, reduced, refused
from restoration.page.reports import photo as report_photo
from restoration.page.site import Site
from restoration.page.widgets import t
from restoration.restorer import Restorer, describe

NO_PHOTO = "There is no photo yet. Upload one, or take one with the camera."
PREVIEW, VIEW = 900, 1600  # pixels: longest side of a photo in the panel, and in the result


class PhotoFiles(NamedTuple):
    """A visitor's result, in a folder of its own; a tuple, because the page keeps it between events.

    Args:
        photo: what the visitor brought: path or contents.
        folder: with base.png and restored.png (no strength, full strength), the faces before and after, facts.json.
    """

    photo: str | bytes
    folder: Path

    def at_strength(self, strength: float) -> Path:
        """The photo at this strength as a PNG, with what its own file held; from two pictures, without the network."""
        target = self.folder / f"restored_{round(100 * strength)}.png"
        base, restored = (read_image(self.folder / name) for name in ("base.png", "restored.png"))
        write_photo(blend(base, [Patch(0, 0, restored)], [strength]), target, read_photo(self.photo))
        return target


class PhotoTab:
    """Layout, events and handlers. What is kept between events is where this visitor's faces and files are."""

    def __init__(self, site: Site) -> None:
        self._site = site
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=7, min_width=320):
                look: dict[str, Any] = {"elem_id": "photo-result", "elem_classes": "result"}
                result = ui.drawing("photo", label="no_photo", events="pack", **look)
                ui.add_examination(site, result)
                ui.add_estimate(site, result)
            with gr.Column(scale=4, min_width=320, elem_classes="panel"):
                alt = "The photo to restore"
                photo = ui.photo_input(label=t("photo"), height=190, alt_text=alt, elem_id="photo")
                ui.note("note_photo")
                said = ui.note()
                found = ui.drawing("faces", elem_id="faces")
                chosen = gr.CheckboxGroup([], label=t("chosen_faces"), visible=False, elem_id="chosen")
                sizes = [(t(f"scale_{scale}"), scale) for scale in (1, 2, 4)]
                scale = gr.Radio(sizes, value=1, label=t("scale"))
                strength = gr.Slider(0, 1, 1, step=0.05, label=t("strength"), buttons=[])
                with gr.Row(elem_classes="press"):
                    restore = gr.Button(t("restore"), variant="primary")
                    save = gr.DownloadButton(t("save_photo"), interactive=False)
                with gr.Accordion(t("test_face"), open=False):
                    ui.note("note_test_face")
                    with gr.Row():
                        options: dict[str, Any] = {"min_width": 130, "scale": 2}
                        number = gr.Dropdown([], label=t("number"), **options)
                        preset = gr.Dropdown(ui.preset_choices(), value="old_phone", label=t("preset"), **options)
                        seed = gr.Number(1, label=t("seed"), min_width=70)
                    test = gr.Button(t("degrade_restore_face"))
                    tested = ui.result_view(elem_id="face-result")
        faces = gr.State([])  # of the photo, in the order of their numbers
        files = gr.State(())  # ``PhotoFiles`` of the result
        # Until the faces of this photo are known, what is ticked belongs to another: the button waits for them.
        photo.input(None, None, restore, js="() => ({__type__: 'update', interactive: false})")
        looked = [photo, said, found, chosen, number, faces]
        finding = photo.input(self.find, photo, looked, trigger_mode="always_last", **ui.network_event(found))
        finding.then(lambda: gr.Button(interactive=True), None, restore, **ui.QUIET)
        wanted, event = [photo, faces, chosen, scale, strength], ui.network_event(result)
        restore.click(ui.user_errors(self.restore_faces), wanted, [result, save, files], **event)
        restore.click(None, js=ui.SHOW_RESULT)
        strength.change(None, strength, None, js="strength => page.strength(strength)")
        download = ui.user_errors(self.download)
        strength.change(download, [files, strength], save, trigger_mode="always_last", **ui.QUIET)
        degraded = [photo, faces, number, preset, seed]
        test.click(ui.user_errors(self.test), degraded, tested, **ui.network_event(tested))
        result.pack(ui.user_errors(self.pack), [files, strength], ui.drawing("packed"), **ui.QUIET)

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
        examined = ui.present(Outcome(pictures=crops, caption="a face of your photo"), None)["pictures"]
        files = PhotoFiles(photo, ui.new_folder())
        value = present_photo(done, numbers, self._site.restorer, files.folder)
        return [{**value, "pictures": examined}, self.download(files, strength), files]

    def download(self, files: Sequence[Any], strength: float) -> Any:
        """The button with the photo at this strength."""
        if not files:
            return gr.skip()
        return gr.DownloadButton(value=str(PhotoFiles(*files).at_strength(strength)), interactive=True)

    def pack(self, files: Sequence[Any], strength: float) -> dict[str, Any]:
        """The zip, made when the result asks for it: restored.png at this strength, every face before and after as the
        network saw and returned it (512 x 512), and restoration.json: weights, detector, scale, strength, timings, and
        where the faces are."""
        if not files or not Path(files[1]).is_dir():
            raise InputError("The result has expired. Press “Restore” again.")
        kept = PhotoFiles(*files)
        contents = {"restored.png": kept.at_strength(strength).read_bytes()}
        contents |= {f"faces/{path.name}": path.read_bytes() for path in sorted(kept.folder.glob("face_*_*.png"))}
        facts = {"strength": strength, **json.loads((kept.folder / "facts.json").read_text())}
        zipped = archive({**contents, "restoration.json": (json.dumps(facts, indent=2) + "\n").encode()})
        return ui.write_file("photo.zip", zipped)

    def test(
        self, photo: str | bytes | None, faces: list[Face], number: int | None, preset: str, seed: Any
    ) -> dict[str, Any]:
        """What ``page.result`` draws of a face of the photo that is degraded and restored."""
        if photo is None or not number or number > len(faces):
            raise InputError(NO_PHOTO)
        face, buffer = align_face(read_photo(photo).image, faces[number - 1].landmarks), io.BytesIO()
        write_png(face, buffer)
        outcome = self._site.run(buffer.getvalue(), PRESETS[preset].draw(make_seed(seed)), make_seed(seed))
        return ui.present(outcome, self._site.identity_name)


def numbered(photo: Image, faces: Sequence[Face], detector: str) -> dict[str, Any]:
    """What ``page.faces`` draws.

    Args:
        faces: in the order of their numbers; one with score 0, from ``CentredSquare``, where none was found.
        detector: name of what looked.
    """
    height, width = photo.shape[:2]
    found = sum(face.score > 0 for face in faces)
    said = f"{found} face{'s' * (found != 1)} found by {html.escape(called(detector))}."
    if not found:
        said = f"No face was found by {html.escape(called(detector))}. "
        said += "The centred square can be restored instead, if a face fills it."
    boxes = []
    for number, face in enumerate(faces, 1):
        left, top, right, bottom = np.clip(face.box, 0, (width, height, width, height)) * 100
        place = {"left": left / width, "top": top / height}
        place |= {"width": (right - left) / width, "height": (bottom - top) / height}
        thumbnail = jpeg_address(align_face(photo, face.landmarks), 144)
        boxes.append({"number": number, "thumbnail": thumbnail, **{side: float(part) for side, part in place.items()}})
    return {"said": said, "preview": jpeg_address(photo, PREVIEW), "width": width, "height": height, "faces": boxes}


def present_photo(result: Restoration, numbers: Sequence[int], restorer: Restorer, folder: Path) -> dict[str, Any]:
    """What ``page.photo`` draws. Writes all that ``PhotoFiles`` speaks of into ``folder``, which expires.

    Args:
        numbers: of ``result.faces`` on the page.

    Returns:
        The view, the faces and the facts; ``examined`` is the number of the face that the panels below speak of, None
        where there is one face alone.
    """
    facts = {"model": model_facts(restorer), "detector": result.detector, "scale": result.scale, **describe(result)}
    facts["faces"] = [{"number": number, **face} for number, face in zip(numbers, facts["faces"], strict=True)]
    (folder / "facts.json").write_text(json.dumps(facts))
    write_png(result.base, folder / "base.png")
    write_png(result.photo, folder / "restored.png")
    faces = []
    for number, face in zip(numbers, result.faces, strict=True):
        crops = {"before": ("before", face.input_crop), "after": ("restored", face.restored_crop)}
        files = {key: ui.write_file(f"face_{number}_{name}.png", crop, folder) for key, (name, crop) in crops.items()}
        faces.append({"number": number, **files})
    views = {"before": ("view_before.png", result.base), "after": ("view_restored.png", result.photo)}
    shown: dict[str, Any] = {
        key: ui.write_file(name, reduced(view, VIEW), folder) for key, (name, view) in views.items()
    }
    shown["height"], shown["width"] = result.photo.shape[:2]
    shown |= {"faces": faces, "facts": report_photo(result, VIEW)}
    return {**shown, "examined": numbers[0] if len(faces) > 1 else None}


def model_facts(restorer: Restorer) -> dict[str, Any]:
    """Which network made a picture, for JSON."""
    known = ("name", "license", "source", "revision", "parameters", "device", "precision")
    return {**{key: restorer.info[key] for key in known}, "fingerprint": restorer.fingerprint}
