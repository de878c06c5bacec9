"""The second tab: a photo whose clean original nobody has. Its faces are found, chosen, restored and put back."""

from __future__ import annotations

import html
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
from restoration.faces.photo import CentredSquare, Restoration
from restoration.images import Image, InputError, read_image, write_png
from restoration.images.photo_file import read_photo, write_photo
from restoration.images.pictures import encode_png
from restoration.lab import PHOTO, RESTORED
from restoration.lab.bundle import archive
from restoration.lab.recipe import make_seed, picture_id
from restoration.page import reports
from restoration.page import widgets as ui
from restoration.page.site import PHOTOS, Site, photo_file
from restoration.page.widgets import t
from restoration.restorer import Restorer, describe

UNKNOWN = "This photo is not looked at yet. Choose one, or press again in a moment."
NOT_CHOSEN = "Nothing is chosen. Tick a face, or the centred square, under “Faces to restore”."
PREVIEW, VIEW = 900, 1600  # pixels: longest side of a photo in the panel, and in the result


Seen = tuple[str, list[Face]]  # the ``picture_id`` of a photo, and its faces in the order of their numbers


class PhotoTab:
    """Layout, events and handlers. The first of ``PHOTOS`` is there, restored, when the page opens. What is kept
    between events is where this visitor's faces and files are.

    In page.js a result belongs to the photo, faces and size that were there when it was asked for; there it is shown,
    dimmed or hidden. Its files are made when they are asked for.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        first, size = next(iter(PHOTOS.items()))
        detector = load_detector(EMBEDDED)  # no download before the page is there
        _, opening, names, found_first = look(photo_file(first), detector)
        value, made = self.restore_faces(photo_file(first), found_first, [i for _, i in names], size, detector)
        with gr.Row(elem_classes="desk", elem_id="photo-desk"):
            with gr.Column(min_width=320, elem_classes="panel load"):
                options: dict[str, Any] = {"alt_text": "The photo to restore", "elem_id": "photo", "height": 190}
                photo = ui.photo_input(photo_file(first), label=t("photo"), **options)
                ui.note("note_photo")
                said = ui.note()
                ui.note("note_samples")
                with gr.Row(elem_classes="samples"):
                    samples = {name: _add_sample(name, name == first) for name in PHOTOS}
            with gr.Column(min_width=320, elem_classes="shown"):
                look_of: dict[str, Any] = {"elem_id": "photo-result", "elem_classes": "result"}
                result = ui.drawing("photo", value, label="no_photo", events="emptied save pack", **look_of)
                ui.add_panel(site, result, "where_changed")
                ui.add_panel(site, result, "past", "expectation", elem_id="estimate")
            with gr.Column(min_width=320, elem_classes="panel set"):
                found = ui.drawing("faces", opening, elem_id="faces")
                chosen = gr.CheckboxGroup(label=t("chosen_faces"), elem_id="chosen", **choice(names, found_first))
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
        result.emptied(None, None, [found, chosen], js="() => page.another()")
        photo.input(None, None, [found, chosen, said], js="() => page.another()")
        looked = [photo, said, found, chosen, number, seen]
        photo.input(self.find, photo, looked, trigger_mode="always_last", **ui.network_event(found))
        chosen.change(None, chosen, restore, js="chosen => page.ready('photo-result', chosen.length > 0)")
        gr.on([chosen.input, scale.input], None, js="() => page.edited('photo-result')")
        idle, busy, event = {restore: "restore"}, {restore: "restoring"}, ui.network_event(result)
        given = {"inputs": [photo, seen, chosen, scale], "outputs": [result, files]}
        ui.run(restore.click, self.restore_faces, "photo-result", idle, busy, **given, **event)
        for name, sample in samples.items():
            outputs = [*looked, scale, result, files]
            ui.run(sample.click, partial(self.load, name), "photo-result", idle, busy, outputs=outputs, **event)
        strength.change(None, strength, None, js="strength => page.strength(strength)")
        packed = ui.drawing("packed")
        for asked, handler in ((result.save, self.save), (result.pack, self.pack)):
            ui.finish(asked(ui.user_errors(handler), [files, strength], packed, **ui.QUIET), "() => page.made()")
        degraded = [photo, seen, number, preset, seed]
        testing = test.click(ui.user_errors(self.test), degraded, tested, **ui.network_event(tested))
        for other in (photo.input, result.emptied, seed.input):
            other(None, None, tested, js="() => null", cancels=testing)
        for choice_of in (number, preset):
            ui.on_edit(choice_of, tested, "() => null")

    def find(self, photo: str | bytes | None) -> list[Any]:
        """[photo, note, numbered faces, choice, face to test, what was seen]; a bad file is refused at once."""
        nothing = [None, gr.update(choices=[], value=[], visible=False), gr.update(choices=[], value=None), None]
        if photo is None:
            return [gr.skip(), "", *nothing]
        try:
            notes, shown, names, seen = look(photo, load_detector())
        except InputError as error:
            return [None, reports.refused(error), *nothing]
        faces, number = gr.update(**choice(names, seen)), gr.update(choices=names, value=1)
        return [gr.skip(), reports.items(notes), shown, faces, number, seen]

    def load(self, name: str) -> list[Any]:
        """[what ``find`` returns of a photograph of ``PHOTOS``, size, result, files]"""
        photo, scale = photo_file(name), PHOTOS[name]
        _, *found, seen = self.find(photo)
        numbers = range(1, len(seen[1]) + 1)
        return [photo, *found, seen, scale, *self.restore_faces(photo, seen, numbers, scale)]

    def restore_faces(
        self,
        photo: str | bytes | None,
        seen: Seen | None,
        chosen: Sequence[int],
        scale: int,
        detector: Detector | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio looks for it there
    ) -> list[Any]:
        """[result, files] of the faces of a photo with these numbers, which count from 1. ``detector`` found them.

        The files are the photo as the visitor brought it, path or contents, and a folder of its own: base.png and
        restored.png (no strength, full strength), the faces before and after, facts.json.
        """
        numbers = sorted(chosen)
        image, faces = faces_of(photo, seen, numbers)
        finder = (detector or load_detector()) if faces[0].score else CentredSquare()

        def count(done: int, faces: int) -> None:
            progress((done, faces), desc="Faces", unit="faces")

        done = self._site.restorer.restore(image, detector=finder, faces=faces, scale=scale, progress=count)
        first, folder = done.faces[0], ui.new_folder()  # the first is what the buttons below the result examine
        examined = ui.keep({PHOTO: first.input_crop, RESTORED: first.restored_crop}, {"settings": None})
        return [{**present_photo(done, numbers, self._site.restorer, folder), "pictures": examined}, (photo, folder)]

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
        self, photo: str | bytes | None, seen: Seen | None, number: int | None, preset: str, seed: Any
    ) -> dict[str, Any]:
        """What ``page.result`` draws of a face of the photo that is degraded and restored."""
        image, [found] = faces_of(photo, seen, [number or 0])
        face = encode_png(align_face(image, found.landmarks))
        outcome = self._site.run(face, PRESETS[preset].draw(make_seed(seed)), make_seed(seed))
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


def _add_sample(name: str, first: bool) -> gr.HTML:
    picture = reports.jpeg_address(read_image(photo_file(name)), 200)
    return ui.chip(picture, f"sample_{name}", name=name, of="photo-result", first=first)


def faces_of(photo: str | bytes | None, seen: Seen | None, numbers: Sequence[int]) -> tuple[Image, list[Face]]:
    """A photo and its faces with these numbers. InputError: no number, or it is not the photo that was looked at."""
    if not numbers:
        raise InputError(NOT_CHOSEN)
    image = read_photo(photo).image if photo and seen else None
    if image is None or not seen or picture_id(image) != seen[0] or not all(0 < i <= len(seen[1]) for i in numbers):
        raise InputError(UNKNOWN)
    return image, [seen[1][i - 1] for i in numbers]


def choice(names: list[tuple[str, int]], seen: Seen) -> dict[str, Any]:
    """Properties of the choice of these faces: all are ticked, but for the centred square, which nobody asked for."""
    return {"choices": names, "value": [i for _, i in names if seen[1][i - 1].score], "visible": True}


def look(photo: str | bytes, detector: Detector) -> tuple[list[str], dict[str, Any], list[tuple[str, int]], Seen]:
    """Read a photo and find its faces.

    Returns:
        What to know about its file, plain text; what ``page.faces`` draws; (label, number) of each face; and what is
        kept of it: where no face was found, the centred square with score 0.

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
    by = html.escape(reports.called(detector))
    said = f"{found} face{'s' * (found != 1)} found by {by}."
    if not found:
        said = f"No face was found by {by}. If one fills the photo’s centred square, tick that square below, and it is "
        said += "restored as a face."
    boxes = []
    for number, face in enumerate(faces, 1):
        sides = (width, height, width, height)
        left, top, right, bottom = (np.clip(face.box, 0, sides) * 100 / sides).tolist()
        place = {"left": left, "top": top, "width": right - left, "height": bottom - top}
        thumbnail = reports.jpeg_address(align_face(photo, face.landmarks), 144)
        boxes.append({"number": number if face.score else None, "thumbnail": thumbnail, **place})
    preview = reports.jpeg_address(photo, PREVIEW)
    return {"said": said, "preview": preview, "width": width, "height": height, "faces": boxes}


def present_photo(result: Restoration, numbers: Sequence[int], restorer: Restorer, folder: Path) -> dict[str, Any]:
    """What ``page.photo`` draws. Writes all that ``restore_faces`` speaks of into ``folder``, which expires.

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
        before = ui.write_file(f"face_{number}_before.png", face.input_crop, folder)
        after = ui.write_file(f"face_{number}_restored.png", face.restored_crop, folder)
        faces.append({"number": number if face.face.score else None, "before": before, "after": after})
    height, width = result.photo.shape[:2]
    left, top, right, bottom = (float(side) * result.scale for side in result.faces[0].face.box)
    return {
        "before": ui.write_file("view_before.png", reports.reduced(result.base, VIEW), folder),
        "after": ui.write_file("view_restored.png", reports.reduced(result.photo, VIEW), folder),
        "height": height,
        "width": width,
        "spot": {"x": (left + right) / 2 / width, "y": (top + bottom) / 2 / height, "share": (right - left) / width},
        "faces": faces,
        "facts": reports.photo(result, VIEW),
        "examined": numbers[0] if len(faces) > 1 else None,
    }


def model_facts(restorer: Restorer) -> dict[str, Any]:
    """Which network made a picture, for JSON."""
    known = ("name", "license", "source", "revision", "parameters", "device", "precision")
    return {**{key: restorer.info[key] for key in known}, "fingerprint": restorer.fingerprint}
