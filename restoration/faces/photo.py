"""A whole photo restored: every face is cut out, restored, and put back; the rest stays as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from restoration.faces import FACE_SIZE, FACE_TEMPLATE, Detector, Face, align_face, centre_square
from restoration.faces.detection import find_faces
from restoration.faces.pasting import Patch, blend, enlarge, make_patch
from restoration.images import Image, InputError, check_image

Background = Literal["lanczos", "network"]
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
Mask = Literal["head", "parsing"]
MASKS: tuple[Mask, ...] = get_args(Mask)
AT_ONCE = 8  # faces, or tiles, in one pass of the network: as many as a small machine has memory for
TILE, OVERLAP = 512, 64  # pixels: what the network sees of a background at once, and how far neighbours blend
CENTRED, GIVEN = "centred square", "faces given"  # in place of a detector's name where none was asked

Progress = Callable[[int, int], None]  # called with the number of faces that are done, and that there are
# The network: at most ``AT_ONCE`` (H, W, 3) uint8 RGB of one size, sides 64 to 512, and whether they are aligned faces,
# to as many.
Restore = Callable[[Sequence[Image], bool], Sequence[Image]]


class NoFaceError(InputError):
    """No face was found. The message says what to do."""


@dataclass(frozen=True)
class RestoredFace:
    """One face of a photo, before and after.

    Args:
        input_crop, restored_crop: (512, 512, 3) uint8 RGB, aligned, as it was and as the network returned it.
        patch: what it changes in the photo at full strength.
    """

    face: Face
    input_crop: Image
    restored_crop: Image
    patch: Patch


@dataclass(frozen=True)
class Restoration:
    """What ``Restorer.restore`` found and made.

    Args:
        photo: (scale H, scale W, 3) uint8 RGB, the faces restored at the strength that was asked for.
        base: the same without any restored face: at scale 1 the photo as it came in.
        faces: in the order of those that were given or found: largest first.
        detector: name of what found them; "centred square" or "faces given" where nothing was searched for.
        scale: 1, 2 or 4.
        seconds: wall-clock time of each step: "detection", "network", "background", "pasting".
    """

    photo: Image
    base: Image
    faces: tuple[RestoredFace, ...]
    detector: str
    scale: int
    seconds: dict[str, float]

    def blend(self, strength: float | Sequence[float]) -> Image:
        """The photo at other strengths, without the network: as ``pasting.blend``, with one strength for all faces, or
        one a face in the order of ``faces``."""
        each = list(strength) if isinstance(strength, Iterable) else [strength] * len(self.faces)
        return blend(self.base, [face.patch for face in self.faces], each)


def restore_photo(
    photo: Image,
    restore: Restore,
    detector: Detector | None,
    *,
    faces: Sequence[Face] | None = None,
    scale: int = 1,
    strength: float | Sequence[float] = 1.0,
    background: Background = "lanczos",
    parse: Callable[[Image], NDArray[np.uint8]] | None = None,
    progress: Progress | None = None,
) -> Restoration:
    """Find, restore and paste back, as ``Restorer.restore`` says, and with its errors. ``parse`` gives the ``parts`` of
    ``pasting.fit_texture`` for a restored face."""
    check_image(photo)
    if background not in BACKGROUNDS:
        raise InputError(f"The background is enlarged by {' or '.join(BACKGROUNDS)}, not {background!r}.")
    seconds, began = dict.fromkeys(("detection", "background", "network", "pasting"), 0.0), time.perf_counter()

    def stop(step: str) -> None:
        nonlocal began
        now = time.perf_counter()
        seconds[step], began = seconds[step] + now - began, now

    base = enlarge(photo, scale)
    stop("background")
    if faces is None:
        faces = find_faces(photo, detector) if detector else []
    stop("detection")
    if not faces:
        advice = "Use a larger or sharper picture, or restore the centred square of the photo instead."
        raise NoFaceError(f"No face was found. {advice}")
    if background == "network" and scale > 1:
        base = in_tiles(base, restore)
    stop("background")
    taken = np.zeros(base.shape[:2], np.uint8)
    done: list[RestoredFace] = []
    for first in range(0, len(faces), AT_ONCE):
        part = faces[first : first + AT_ONCE]
        crops = [align_face(photo, face.landmarks) for face in part]
        stop("pasting")
        after = restore(crops, True)
        stop("network")
        for face, crop, restored in zip(part, crops, after, strict=True):
            parts = parse(restored) if parse else None
            patch = make_patch(base, crop, restored, face.landmarks, scale=scale, taken=taken, parts=parts)
            done.append(RestoredFace(face, crop, restored, patch))
            if progress:
                progress(len(done), len(faces))
        stop("pasting")
    untouched = Restoration(base, base, tuple(done), detector.name if detector else GIVEN, scale, seconds)
    result = replace(untouched, photo=untouched.blend(strength))
    stop("pasting")
    return result


class CentredSquare:
    """Takes the largest centred square of a photo for one upright face, without looking."""

    name = CENTRED

    def find(self, photo: Image) -> list[Face]:
        """One face, whose landmarks are the template's; its score of 0 says that nobody looked."""
        left, top, side = centre_square(photo)
        landmarks = (FACE_TEMPLATE + 0.5) * (side / FACE_SIZE) - 0.5 + (left, top)
        return [Face((left - 0.5, top - 0.5, left + side - 0.5, top + side - 0.5), landmarks, 0.0)]


def in_tiles(image: Image, restore: Restore) -> Image:
    """Run a network over an (H, W, 3) uint8 RGB picture, sides >= 64, in squares that fade into each other."""
    height, width = image.shape[:2]
    result = np.zeros_like(image)
    side_y, side_x = min(TILE, height), min(TILE, width)
    tops, lefts = ([*range(0, n - side, TILE - OVERLAP), n - side] for n, side in ((height, side_y), (width, side_x)))
    places = [(top, left) for top in tops for left in lefts]
    batches = (places[first : first + AT_ONCE] for first in range(0, len(places), AT_ONCE))
    cut = ([np.ascontiguousarray(image[y : y + side_y, x : x + side_x]) for y, x in batch] for batch in batches)
    restored = (tile for tiles in cut for tile in restore(tiles, False))
    fade = np.minimum(np.arange(1, TILE + 1, dtype=np.float32) / (OVERLAP + 1), 1)[:, None]
    for top in tops:
        row = np.zeros((side_y, width, 3), np.float32)
        for left in lefts:
            part = row[:, left : left + side_x]
            part += (fade[:side_x] if left else 1) * (next(restored) - part)
        rows = result[top : top + side_y]
        rows[:] = np.rint(rows + (fade[:side_y, None] if top else 1) * (row - rows))
    return result
