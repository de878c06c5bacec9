"""The second tab: a photo whose clean original nobody has. Its faces are found, chosen, restored and put back."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from restoration.degrade.protocols import PRESETS
from restoration.faces import Detector, Face, align_face
from restoration.faces.detection import EMBEDDED, find_faces, load_detector
from restoration.faces.pasting import Patch, blend
from restoration.faces.photo import CentredSquare, Progress, Restoration
from restoration.images import Image, InputError, read_image, write_png
from restoration.images.photo_file import read_photo, write_photo
from restoration.lab import PHOTO, RESTORED, Outcome
from restoration.lab.bundle import archive
from restoration.lab.recipe import make_seed, picture_id
from restoration.page import widgets as ui
from restoration.page.reports import called, items, jpeg_address, reduced, refused
from restoration.page.reports import photo as report_photo
from restoration.page.site import PHOTOS, Site, photo_file
from restoration.page.widgets import t
from restoration.restorer import Restorer, describe

NO_PHOTO = "There is no photo yet. Upload one, or take one with the camera."
NOT_CHOSEN = "No face is chosen. Tick at least one under “Faces to restore”."
NOT_ASKED = (
    "No face was found in this photo. If one fills its centre, tick “The centred square”; else nothing is restored."
)
PREVIEW, VIEW = 900, 1600  # pixels: longest side of a photo in the panel, and in the result


class PhotoTab:
    """Layout, events and handlers. The first of ``PHOTOS`` is there, restored, when the page opens. What is kept
    between events is where this visitor's faces and files are.

    In photo.js a result belongs to the photo, faces and size that were there when it was asked for; there it is shown,
    dimmed or hidden. Its files are made when they are asked for.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        first, size = next(iter(PHOTOS.items()))
        detector = load_detector(EMBEDDED)  # no download before the page is there
        _, opening, names, found_first = look(photo_file(first), detector)
        value, made = self.restore(photo_file(first), found_first[1], [i for _, i in names], size, detector)
        with gr.Row(elem_classes="desk", elem_id="photo-desk"):
            with gr.Column(min_width=320, elem_classes="panel load"):
                options: dict[str, Any] = {"alt_text": "The photo to restore", "elem_id": "photo", "height": 190}
                photo = ui.photo_input(photo_file(first), label=t("photo"), **options)
                ui.note("note_photo")
                said = ui.note()
                ui.note("note_samples")
                with gr.Row(elem_classes="samples"):
                    samples = {name: self._add_sample(name) for name in PHOTOS}
            with gr.Column(min_width=320, elem_classes="shown"):
                look_of: dict[str, Any] = {"elem_id": "photo-result", "elem_classes": "result"}
                result = ui.drawing("photo", value, label="no_photo", events="save pack", **look_of)
                ui.add_examination(site, result)
                ui.add_estimate(site, result)
            with gr.Column(min_width=320, elem_classes="panel set"):
                found = ui.drawing("faces", opening, elem_id="faces")
                chosen = gr.CheckboxGroup(label=t("chosen_faces"), elem_id="chosen", **choice(names, found_first[1]))
                sizes = [(t(f"scale_{scale}"), scale) for scale in (1, 2, 4)]
                scale = gr.Radio(sizes, value=size, label=t("scale"))
                strength = gr.Slider(0, 1, 1, step=0.05, label=t("strength"), buttons=[], elem_classes="of-result")
                with gr.Row(elem_classes="press"):
                    restore = gr.Button(t("restore"), variant="primary")
                with gr.Accordion(t("test_face"), open=False, elem_classes="of-faces"):
                    ui.note("note_test_face")
                    with gr.Row():
                        options = {"min_width": 130, "scale": 2}
                        number = gr.Dropdown(names, value=1, label=t("face_number"), **options)
                        preset = gr.Dropdown(ui.preset_choices(), value="old_phone", label=t("preset"), **options)
                        seed = gr.Number(1, label=t("seed"), min_width=70)
                    test = gr.Button(t("degrade_restore_face"))
                    tested = ui.result_view(elem_id="face-result")
        seen, files = gr.State(found_first), gr.State(made)
        # What acts at once is registered first: the listeners of one event wait for one another.
        busy, idle = (
            json.dumps({"__type__": "update", "interactive": on, "value": t(key)})
            for on, key in ((False, "restoring"), (True, "restore"))
        )
        gr.on([photo.input, photo.clear], None, js="() => page.another('photo')")
        gr.on([chosen.input, scale.input], None, js="() => page.another('choice')")
        # Until the faces of this photo are known, what is ticked belongs to another: the button waits for them.
        photo.input(None, None, [restore, said], js=f"() => [{{...{busy}, value: {json.dumps(t('restore'))}}}, '']")
        looked = [photo, said, found, chosen, number, seen]
        finding = photo.input(self.find, photo, looked, trigger_mode="always_last", **ui.network_event(found))
        for then in (finding.then, finding.failure):  # Gradio calls one of them
            then(None, None, restore, js=f"() => ({idle})")
        event = ui.network_event(result)
        loaded = [*looked, scale, result, files]
        asked: list[tuple[Any, Any, Any, Any]] = [
            (restore.click, self.restore_faces, [photo, seen, chosen, scale], [result, files]),
            *((sample.click, partial(self.load, name), None, loaded) for name, sample in samples.items()),
        ]
        for press, handler, inputs, outputs in asked:
            press(None, None, restore, js=f"() => ({busy})")
            answered = press(ui.user_errors(handler), inputs, outputs, **event)
            for then in (answered.then, answered.failure):
                then(None, None, restore, js=f"() => {{ page.rest(); return {idle}; }}")
        strength.change(None, strength, None, js="strength => page.strength(strength)")
        packed = ui.drawing("packed")
        result.save(ui.user_errors(self.save), [files, strength], packed, **ui.QUIET)
        result.pack(ui.user_errors(self.pack), [files, strength], packed, **ui.QUIET)
        degraded = [photo, seen, number, preset, seed]
        testing = test.click(ui.user_errors(self.test), degraded, tested, **ui.network_event(tested))
        others = [photo.input, photo.clear, number.input, preset.input, seed.input]
        gr.on(others, None, None, tested, js="() => null", cancels=testing)

    def _add_sample(self, name: str) -> gr.HTML:
        value = jpeg_address(read_image(photo_file(name)), 200)
        return ui.drawing("sample", value, events="click", label=f"sample_{name}", min_width=70)

    def find(self, photo: str | bytes | None) -> list[Any]:
        """[photo, note, numbered faces, choice, face to test, what was seen]; a bad file is refused at once."""
        none: dict[str, Any] = {"choices": [], "value": None}
        nothing: list[Any] = [None, gr.update(**{**none, "value": []}, visible=False), gr.update(**none), ()]
        if photo is None:
            return [gr.skip(), "", *nothing]
        try:
            notes, shown, names, seen = look(photo, load_detector())
        except InputError as error:
            return [None, refused(error), *nothing]
        number = gr.update(choices=names, value=1)
        return [gr.skip(), items(notes), shown, gr.update(**choice(names, seen[1])), number, seen]

    def load(self, name: str) -> list[Any]:
        """[what ``find`` returns of a photograph of ``PHOTOS``, size, result, files]"""
        photo, scale = photo_file(name), PHOTOS[name]
        _, *found, seen = self.find(photo)
        numbers = range(1, len(seen[1]) + 1)
        return [photo, *found, seen, scale, *self.restore(photo, seen[1], numbers, scale, load_detector())]

    def restore_faces(
        self,
        photo: str | bytes | None,
        seen: Sequence[Any],
        chosen: Sequence[int],
        scale: int,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio looks for it there
    ) -> list[Any]:
        """[result, files]"""
        if photo is None:
            raise InputError(NO_PHOTO)
        if not seen or seen[0] != picture_id(read_photo(photo).image):  # the button was faster than the search
            *_, seen = look(photo, load_detector())
            chosen = [number for number, face in enumerate(seen[1], 1) if face.score]
        faces = seen[1]
        numbers = sorted(i for i in chosen if i <= len(faces))
        if not numbers:
            raise InputError(NOT_CHOSEN if faces[0].score else NOT_ASKED)

        def count(done: int, faces: int) -> None:
            progress((done, faces), desc="Faces", unit="faces")

        return self.restore(photo, faces, numbers, scale, load_detector(), count)

    def restore(
        self,
        photo: str | bytes,
        faces: Sequence[Face],
        numbers: Sequence[int],
        scale: int,
        detector: Detector,
        progress: Progress | None = None,
    ) -> list[Any]:
        """[result, files] of the faces of a photo with these numbers, which count from 1; ``detector`` found them.

        The files are the photo as the visitor brought it, path or contents, and a folder of its own: base.png and
        restored.png (no strength, full strength), the faces before and after, facts.json.
        """
        wanted, restorer = [faces[i - 1] for i in numbers], self._site.restorer
        image, finder = read_photo(photo).image, detector if wanted[0].score else CentredSquare()
        done = restorer.restore(image, detector=finder, faces=wanted, scale=scale, progress=progress)
        first = done.faces[0]  # the one that the buttons below the result examine
        crops = {PHOTO: first.input_crop, RESTORED: first.restored_crop}
        examined = ui.present(Outcome(pictures=crops, caption="a face of your photo"), None)["pictures"]
        folder = ui.new_folder()
        return [{**present_photo(done, numbers, restorer, folder), "pictures": examined}, (photo, folder)]

    def save(self, files: Sequence[Any], strength: float) -> dict[str, Any]:
        """The photo at this strength, made when the result asks for it."""
        return ui.write_file("restored.png", at_strength(files, strength))

    def pack(self, files: Sequence[Any], strength: float) -> dict[str, Any]:
        """The zip, made when the result asks for it: restored.png at this strength, every face before and after as the
        network saw and returned it (512 x 512), and restoration.json: weights, detector, scale, strength, timings, and
        where the faces are."""
        contents = {"restored.png": at_strength(files, strength)}
        folder = Path(files[1])
        contents |= {f"faces/{path.name}": path.read_bytes() for path in sorted(folder.glob("face_*_*.png"))}
        facts = {"strength": strength, **json.loads((folder / "facts.json").read_text())}
        zipped = archive({**contents, "restoration.json": (json.dumps(facts, indent=2) + "\n").encode()})
        return ui.write_file("photo.zip", zipped)

    def test(
        self, photo: str | bytes | None, seen: Sequence[Any], number: int | None, preset: str, seed: Any
    ) -> dict[str, Any]:
        """What ``page.result`` draws of a face of the photo that is degraded and restored."""
        if photo is None or not seen or not number or number > len(seen[1]):
            raise InputError(NO_PHOTO)
        image = read_photo(photo).image
        if picture_id(image) != seen[0]:
            raise InputError("The faces of this photo are still being searched for. Press again in a moment.")
        face, buffer = align_face(image, seen[1][number - 1].landmarks), io.BytesIO()
        write_png(face, buffer)
        outcome = self._site.run(buffer.getvalue(), PRESETS[preset].draw(make_seed(seed)), make_seed(seed))
        return ui.present(outcome, self._site.identity_name)


def at_strength(files: Sequence[Any], strength: float) -> bytes:
    """The photo of a result at this strength as a PNG, with what its own file held; from two pictures, without the
    network. InputError: the result has expired."""
    if not files or not Path(files[1]).is_dir():
        raise InputError("The result has expired. Press “Restore” again.")
    folder, target = Path(files[1]), Path(files[1]) / f"saved_{round(100 * strength)}.png"
    base, restored = (read_image(folder / name) for name in ("base.png", "restored.png"))
    write_photo(blend(base, [Patch(0, 0, restored)], [strength]), target, read_photo(files[0]))
    return target.read_bytes()


def choice(names: list[tuple[str, int]], faces: Sequence[Face]) -> dict[str, Any]:
    """Properties of the choice of these faces: all are ticked, but for the centred square, which nobody asked for."""
    return {"choices": names, "value": [i for _, i in names if faces[i - 1].score], "visible": True}


def look(
    photo: str | bytes, detector: Detector
) -> tuple[list[str], dict[str, Any], list[tuple[str, int]], tuple[str, list[Face]]]:
    """Read a photo and find its faces.

    Returns:
        What to know about its file, plain text; what ``page.faces`` draws; (label, number) of each face; and what is
        kept of it: its ``picture_id``, and the faces in the order of their numbers, where none was found the centred
        square with score 0.

    Raises:
        InputError: no photo.
    """
    source, notes = read_photo(photo), []
    if source.frames > 1:
        notes.append(f"Of {source.frames} pictures in the file the first is taken.")
    if source.alpha is not None and (source.alpha < 255).any():
        notes.append("Its transparency is dropped in what is shown here; the downloaded photo keeps it.")
    image = source.image
    faces = find_faces(image, detector)
    seen = faces or CentredSquare().find(image)
    names = [(f"Face {i}" if faces else "The centred square", i) for i in range(1, len(seen) + 1)]
    return notes, numbered(image, seen, detector.name), names, (picture_id(image), seen)


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
        said = f"No face was found by {html.escape(called(detector))}. If one fills the photo’s centred square, tick "
        said += "that square below, and it is restored as a face."
    boxes = []
    for number, face in enumerate(faces, 1):
        left, top, right, bottom = np.clip(face.box, 0, (width, height, width, height)) * 100
        place = {"left": left / width, "top": top / height}
        place |= {"width": (right - left) / width, "height": (bottom - top) / height}
        thumbnail = jpeg_address(align_face(photo, face.landmarks), 144)
        boxes.append({"number": number, "thumbnail": thumbnail, **{side: float(part) for side, part in place.items()}})
    return {"said": said, "preview": jpeg_address(photo, PREVIEW), "width": width, "height": height, "faces": boxes}


def present_photo(result: Restoration, numbers: Sequence[int], restorer: Restorer, folder: Path) -> dict[str, Any]:
    """What ``page.photo`` draws. Writes all that ``restore`` speaks of into ``folder``, which expires.

    Args:
        numbers: of ``result.faces`` on the page.

    Returns:
        The view, the faces and the facts; ``spot`` is where the first face is and how wide, in parts of the photo;
        ``examined`` is the number of the face that the panels below speak of, None where there is one face alone.
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
    height, width = shown["height"], shown["width"] = result.photo.shape[:2]
    left, top, right, bottom = (float(side) * result.scale for side in result.faces[0].face.box)
    shown["spot"] = {"x": (left + right) / 2 / width, "y": (top + bottom) / 2 / height, "share": (right - left) / width}
    shown |= {"faces": faces, "facts": report_photo(result, VIEW)}
    return {**shown, "examined": numbers[0] if len(faces) > 1 else None}


def model_facts(restorer: Restorer) -> dict[str, Any]:
    """Which network made a picture, for JSON."""
    known = ("name", "license", "source", "revision", "parameters", "device", "precision")
    return {**{key: restorer.info[key] for key in known}, "fingerprint": restorer.fingerprint}
