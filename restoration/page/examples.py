"""Which examples does the page offer, and how do they look?"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import PIL.Image

from restoration.degrade.degradations import degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.images import Image

FOLDER = Path(__file__).parents[2] / "examples"
FACES = {"eileen_collins": "Eileen Collins", "grace_hopper": "Grace Hopper"}
EXAMPLES = (  # (face, preset): the strip of one-click examples; the first one is on the page when it opens
    ("eileen_collins", "old_phone"),
    ("grace_hopper", "shaky_hand"),
    ("eileen_collins", "thumbnail"),
    ("grace_hopper", "cctv"),
    ("eileen_collins", "shaky_hand"),
    ("grace_hopper", "old_phone"),
    ("eileen_collins", "cctv"),
    ("grace_hopper", "video_call"),
)


NOTE_HTML = """<p>The example faces, Eileen Collins (NASA) and Grace Hopper (US Navy), were enlarged 3.1× and 1.4× to
fill 512 × 512 pixels, so their originals are a little soft too.</p>"""


def strip(faces: Mapping[str, Image]) -> str:
    """The one-click examples, each really degraded, as HTML; a button's data-index counts in ``EXAMPLES``.

    Args:
        faces: (512, 512, 3) uint8 RGB clean faces by their key in ``FACES``. Not modified.
    """
    buttons = []
    for index, (face, preset) in enumerate(EXAMPLES):
        picture = thumbnail(degrade_image(faces[face], PRESETS[preset].draw(1), 1))
        who, what = FACES[face], PRESETS[preset].label
        buttons.append(
            f'<button type="button" data-index="{index}" aria-label="Example: {who}, {what}">'
            f'<img src="{picture}" alt="" width="72" height="72"><span>{who.split()[0]}<br>{what}</span></button>'
        )
    return f'<div class="strip" role="group" aria-label="Examples">{"".join(buttons)}</div>'


def thumbnail(image: Image) -> str:
    """A 144 x 144 JPEG of an (H, W, 3) uint8 RGB square as a data address.

    Decoration of a button, never measured or downloaded.
    """
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).resize((144, 144), PIL.Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
