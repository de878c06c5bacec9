"""How do a photo and its faces come to the browser?  Previews, numbered boxes, thumbnails, and results as files."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
from gradio.data_classes import FileData

from restoration.faces.alignment import align_face
from restoration.faces.face import Face
from restoration.faces.photo import CENTRED, Restoration
from restoration.images import Image, write_png
from restoration.page.words import called

PREVIEW, VIEW = 900, 1600  # pixels: longest side of a photo in the panel, and in the result


def numbered(photo: Image, faces: Sequence[Face], detector: str) -> dict[str, Any]:
    """What ``faces.html`` draws.

    Args:
        photo: (H, W, 3) uint8 RGB.
        faces: in the order of their numbers; one with score 0, from ``CentredSquare``, where none was found.
        detector: name of what looked.
    """
    height, width = photo.shape[:2]
    found = [face for face in faces if face.score > 0]
    said = f"{len(found)} face{'s' * (len(found) != 1)} found by {called(detector)}."
    if not found:
        said = f"No face was found by {called(detector)}. "
        said += "The centred square can be restored instead, if a face fills it."
    boxes = []
    for number, face in enumerate(faces, 1):
        left, top, right, bottom = np.clip(face.box, 0, (width, height, width, height)).tolist()
        boxes.append(
            {
                "number": number,
                "left": 100 * left / width,
                "top": 100 * top / height,
                "width": 100 * (right - left) / width,
                "height": 100 * (bottom - top) / height,
                "thumbnail": _jpeg(_reduced(align_face(photo, face.landmarks), 144)),
            }
        )
    preview = _reduced(photo, PREVIEW)
    return {"said": said, "preview": _jpeg(preview), "width": width, "height": height, "faces": boxes}


def present_photo(result: Restoration, numbers: Sequence[int], folder: Path) -> dict[str, Any]:
    """What ``photo.html`` draws. Writes the pictures as lossless PNGs into ``folder``, which expires.

    Args:
        numbers: of ``result.faces`` on the page.

    Returns:
        The view, the faces and the facts; ``examined`` is the number of the face that the panels below speak of, None
        where there is one face alone.
    """

    def file(image: Image, name: str) -> dict[str, Any]:
        write_png(image, folder / name)
        return FileData(path=str(folder / name), orig_name=name, mime_type="image/png").model_dump()

    faces = [
        {
            "number": number,
            "before": file(face.input_crop, f"face_{number}_before.png"),
            "after": file(face.restored_crop, f"face_{number}_restored.png"),
        }
        for number, face in zip(numbers, result.faces, strict=True)
    ]
    height, width = result.photo.shape[:2]
    reduced = f" The view is reduced to {VIEW} pixels; the download is not." if max(height, width) > VIEW else ""
    if result.detector == CENTRED:
        count, how = "The centred square restored and put back", "No face was found"
    else:
        count = f"{len(faces)} face{'s' * (len(faces) != 1)} restored and put back"
        how = f"Found by {called(result.detector)}"
    network, whole = result.seconds["network"], sum(result.seconds.values())
    facts = (
        f'<p class="verdict">{count}</p><p class="caption">{how} · network {network:.2f} s, '
        f"all {whole:.2f} s · {width} × {height} pixels.{reduced}</p>"
        "<p>Without the original of your photo no measurement would be true, so none is shown.</p>"
    )
    return {
        "before": file(_reduced(result.base, VIEW), "view_before.png"),
        "after": file(_reduced(result.photo, VIEW), "view_restored.png"),
        "width": width,
        "height": height,
        "faces": faces,
        "facts": facts,
        "examined": numbers[0] if len(faces) > 1 else None,
    }


def _reduced(image: Image, longest: int) -> Image:
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    reduced: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return reduced


def _jpeg(image: Image) -> str:
    """A data address: decoration beside a control, never measured or downloaded."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
