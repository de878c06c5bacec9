"""How is a restored photo taken home?  At the strength that is chosen; as a zip, with its faces and facts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from restoration.faces.pasting import Patch, blend
from restoration.faces.photo import Restoration, describe
from restoration.images import InputError, read_image, write_png
from restoration.images.photo_file import read_photo, write_photo
from restoration.lab.bundle import archive
from restoration.page.assets import PACKED_JS
from restoration.page.parts import BARE, QUIET, publish, shown
from restoration.restorer import Restorer


class PhotoFiles(NamedTuple):
    """A visitor's result, in a folder of its own; a tuple, because the page keeps it between events.

    Args:
        photo: what the visitor brought: path or contents.
        folder: with base.png and restored.png (no strength, full strength), the faces before and after, facts.json.
    """

    photo: str | bytes
    folder: Path


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


def add_photo_pack(result: gr.HTML, files: gr.State, strength: gr.Slider) -> None:
    """The zip, made when the result asks for it."""
    packed = gr.HTML(None, html_template="", js_on_load=PACKED_JS, **BARE)

    def pack(files: Sequence[Any], strength: float) -> dict[str, Any]:
        if not files or not Path(files[1]).is_dir():
            raise InputError("The result has expired. Press “Restore” again.")
        return publish({"photo.zip": photo_zip(PhotoFiles(*files), strength)})["photo.zip"]

    result.pack(shown(pack), [files, strength], packed, **QUIET)
