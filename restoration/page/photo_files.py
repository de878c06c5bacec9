"""A photo and its faces as the browser gets them, and how the result is taken home: at any strength, and as a zip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from restoration.faces import Face, align_face
from restoration.faces.pasting import Patch, blend
from restoration.faces.photo import CENTRED, Restoration
from restoration.images import Image, read_image, write_png
from restoration.images.photo_file import read_photo, write_photo
from restoration.lab.bundle import archive
from restoration.page.widgets import jpeg_address, reduced, write_files
from restoration.page.words import called
from restoration.restorer import Restorer, describe

PREVIEW, VIEW = 900, 1600  # pixels: longest side of a photo in the panel, and in the result


class PhotoFiles(NamedTuple):
    """A visitor's result, in a folder of its own; a tuple, because the page keeps it between events.

    Args:
        photo: what the visitor brought: path or contents.
        folder: with base.png and restored.png (no strength, full strength), the faces before and after, facts.json.
    """

    photo: str | bytes
    folder: Path


def numbered(photo: Image, faces: Sequence[Face], detector: str) -> dict[str, Any]:
    """What ``page.faces`` draws.

    Args:
        faces: in the order of their numbers; one with score 0, from ``CentredSquare``, where none was found.
        detector: name of what looked.
    """
    height, width = photo.shape[:2]
    found = sum(face.score > 0 for face in faces)
    said = f"{found} face{'s' * (found != 1)} found by {called(detector)}."
    if not found:
        said = f"No face was found by {called(detector)}. "
        said += "The centred square can be restored instead, if a face fills it."
    boxes = []
    for number, face in enumerate(faces, 1):
        left, top, right, bottom = np.clip(face.box, 0, (width, height, width, height)).tolist()
        place = {"left": left / width, "top": top / height, "width": (right - left) / width}
        place["height"] = (bottom - top) / height
        shown = {"number": number, "thumbnail": jpeg_address(align_face(photo, face.landmarks), 144)}
        boxes.append({**shown, **{side: 100 * part for side, part in place.items()}})
    return {"said": said, "preview": jpeg_address(photo, PREVIEW), "width": width, "height": height, "faces": boxes}


def present_photo(result: Restoration, numbers: Sequence[int], folder: Path) -> dict[str, Any]:
    """What ``page.photo`` draws. Writes the pictures as lossless PNGs into ``folder``, which expires.

    Args:
        numbers: of ``result.faces`` on the page.

    Returns:
        The view, the faces and the facts; ``examined`` is the number of the face that the panels below speak of, None
        where there is one face alone.
    """
    pictures = {"view_before.png": reduced(result.base, VIEW), "view_restored.png": reduced(result.photo, VIEW)}
    for number, face in zip(numbers, result.faces, strict=True):
        pictures[f"face_{number}_before.png"] = face.input_crop
        pictures[f"face_{number}_restored.png"] = face.restored_crop
    files = write_files(dict(pictures), folder)
    faces = [
        {"number": i, "before": files[f"face_{i}_before.png"], "after": files[f"face_{i}_restored.png"]}
        for i in numbers
    ]
    height, width = result.photo.shape[:2]
    size = {"width": width, "height": height}
    note = f" The view is reduced to {VIEW} pixels; the download is not." if max(height, width) > VIEW else ""
    count, how = f"{len(faces)} face{'s' * (len(faces) != 1)} restored and put back", "Found by "
    how += called(result.detector)
    if result.detector == CENTRED:
        count, how = "The centred square restored and put back", "No face was found"
    network, whole = result.seconds["network"], sum(result.seconds.values())
    facts = (
        f'<p class="verdict">{count}</p><p class="caption">{how} · network {network:.2f} s, '
        f"all {whole:.2f} s · {width} × {height} pixels.{note}</p>"
        "<p>Without the original of your photo no measurement would be true, so none is shown.</p>"
    )
    views = {"before": files["view_before.png"], "after": files["view_restored.png"]}
    examined = numbers[0] if len(faces) > 1 else None
    return {**views, **size, "faces": faces, "facts": facts, "examined": examined}


def keep(
    photo: str | bytes, result: Restoration, numbers: Sequence[int], restorer: Restorer, folder: Path
) -> PhotoFiles:
    """Write what another strength and the zip are made from, beside the faces that ``present_photo`` wrote there.

    Args:
        numbers: of ``result.faces`` on the page.
        folder: of one result of one visitor.
    """
    write_png(result.base, folder / "base.png")
    write_png(result.photo, folder / "restored.png")
    facts = {"model": model_facts(restorer), "detector": result.detector, "scale": result.scale, **describe(result)}
    facts["faces"] = [{"number": number, **face} for number, face in zip(numbers, facts["faces"], strict=True)]
    (folder / "facts.json").write_text(json.dumps(facts))
    return PhotoFiles(photo, folder)


def model_facts(restorer: Restorer) -> dict[str, Any]:
    """Which network made a picture, for JSON."""
    known = ("name", "license", "source", "revision", "parameters", "device", "precision")
    return {**{key: restorer.info[key] for key in known}, "fingerprint": restorer.fingerprint}


def at_strength(files: PhotoFiles, strength: float) -> Path:
    """The photo at this strength as a PNG, with what its own file held; from two pictures, without the network."""
    target = files.folder / f"restored_{round(100 * strength)}.png"
    restored = Patch(0, 0, read_image(files.folder / "restored.png"))
    write_photo(blend(read_image(files.folder / "base.png"), [restored], [strength]), target, read_photo(files.photo))
    return target


def photo_zip(files: PhotoFiles, strength: float) -> bytes:
    """restored.png at this strength, every face before and after as the network saw and returned it (512 x 512), and
    restoration.json: weights, detector, scale, strength, timings, and where the faces are."""
    faces = sorted(files.folder.glob("face_*_*.png"))
    contents = {"restored.png": at_strength(files, strength).read_bytes()}
    contents |= {f"faces/{path.name}": path.read_bytes() for path in faces}
    facts = {"strength": strength, **json.loads((files.folder / "facts.json").read_text())}
    return archive({**contents, "restoration.json": (json.dumps(facts, indent=2) + "\n").encode()})
