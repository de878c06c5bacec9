"""A whole photo restored: every face is cut out, restored, and put back; the rest stays as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from restoration.faces import FACE_TEMPLATE, Detector, Face, align_face, centre_square
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


class Restore(Protocol):
    """The network."""

    def __call__(self, images: Sequence[Image], *, aligned: bool) -> Sequence[Image]:
        """As many pictures as come, at most ``AT_ONCE`` (H, W, 3) uint8 RGB of one size, sides 64 to 512; whether they
        are aligned faces."""
        ...


class NoFaceError(InputError):
    """No face was found. The message says what to do."""


@dataclass(frozen=True)
class RestoredFace:
    """One face of a photo, before and after.

    Args:
        input_crop, restored_crop: (512, 512, 3) uint8 RGB, aligned, as it was and as the network returned it.
        patch: what it changes in the photo at full strength; None where its crop lies outside the photo.
    """

    face: Face
    input_crop: Image
    restored_crop: Image
    patch: Patch | None


@dataclass(frozen=True)
class Restoration:
    """What ``Restorer.restore`` found and made.

    Args:
        photo: (scale H, scale W, 3) uint8 RGB, the faces restored at the strength that was asked for.
        base: the same without any restored face: at scale 1 the photo as it came in.
        faces: the restored faces, in the order of the faces that were given or found: largest first.
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
        """The photo at other strengths, at once: no network runs. As ``pasting.blend``, with one strength for all
        faces, or one a face in the order of ``faces``; never shares memory with ``photo`` or ``base``."""
        each = [strength] * len(self.faces) if isinstance(strength, (int, float)) else list(strength)
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
    """Find, restore and paste back, as ``Restorer.restore`` says, and with its errors.

    Args:
        restore: the network; a photo of up to ``AT_ONCE`` faces is one call.
        detector: asked where ``faces`` is None, and named in the result.
        parse: says which parts of a (512, 512, 3) restored face get its texture, (512, 512, 1) uint8; None is all.
    """
    check_image(photo)
    if background not in BACKGROUNDS:
        raise InputError(f"The background is enlarged by {' or '.join(BACKGROUNDS)}, not {background!r}.")
    clock = _Clock()
    base = enlarge(photo, scale)
    clock.stop("background")
    if faces is None:
        faces = find_faces(photo, detector) if detector else []
    clock.stop("detection")
    if not faces:
        raise NoFaceError(
            "No face was found. Use a larger or sharper picture with the face upright, "
            "or restore the centred square of the photo instead."
        )
    if background == "network" and scale > 1:
        base = in_tiles(base, restore)
    clock.stop("background")
    taken = np.zeros(base.shape[:2], np.uint8)
    done: list[RestoredFace] = []
    for first in range(0, len(faces), AT_ONCE):
        part = faces[first : first + AT_ONCE]
        crops = [align_face(photo, face.landmarks) for face in part]
        clock.stop("pasting")
        after = restore(crops, aligned=True)
        clock.stop("network")
        for face, crop, restored in zip(part, crops, after, strict=True):
            parts = parse(restored) if parse else None
            patch = make_patch(base, crop, restored, face.landmarks, scale=scale, taken=taken, parts=parts)
            done.append(RestoredFace(face, crop, restored, patch))
            if progress:
                progress(len(done), len(faces))
        clock.stop("pasting")
    untouched = Restoration(base, base, tuple(done), detector.name if detector else GIVEN, scale, clock.seconds)
    result = replace(untouched, photo=untouched.blend(strength))
    clock.stop("pasting")
    return result


class CentredSquare:
    """Takes the largest centred square of a photo for one upright face, without looking."""

    name = CENTRED

    def find(self, photo: Image) -> list[Face]:
        """One face, whose landmarks are the template's; its score of 0 says that nobody looked."""
        box = centre_square(photo)
        scale = (box.right - box.left) / 512
        landmarks = (FACE_TEMPLATE + 0.5) * scale - 0.5 + (box.left, box.top)
        return [Face((box.left - 0.5, box.top - 0.5, box.right - 0.5, box.bottom - 0.5), landmarks, 0.0)]


def in_tiles(image: Image, restore: Restore) -> Image:
    """Run a network over an (H, W, 3) uint8 RGB picture, sides >= 64, in squares that fade into each other; the result
    is of the same size, the input not modified."""
    height, width = image.shape[:2]
    result = np.empty_like(image)
    side_y, side_x = min(TILE, height), min(TILE, width)
    tops, lefts = ([*range(0, n - side, TILE - OVERLAP), n - side] for n, side in ((height, side_y), (width, side_x)))
    share = (_ramp(side_y)[:, None] * _ramp(side_x))[..., None]
    places = [(top, left) for top in tops for left in lefts]
    batches = (places[first : first + AT_ONCE] for first in range(0, len(places), AT_ONCE))
    cut = ([np.ascontiguousarray(image[y : y + side_y, x : x + side_x]) for y, x in batch] for batch in batches)
    restored = (tile for tiles in cut for tile in restore(tiles, aligned=False))
    total = np.zeros((side_y, width, 3), np.float32)  # of the rows [top, top + side): tiles by their weights
    weight = np.zeros((side_y, width, 1), np.float32)
    for top, following in zip(tops, [*tops[1:], height], strict=True):
        for left in lefts:
            total[:, left : left + side_x] += share * next(restored)
            weight[:, left : left + side_x] += share
        rows = following - top  # no later tile reaches these
        result[top:following] = np.rint(total[:rows] / weight[:rows]).astype(np.uint8)
        for buffer in (total, weight):
            buffer[: side_y - rows] = buffer[rows:].copy()
            buffer[side_y - rows :] = 0
    return result


def _ramp(side: int) -> NDArray[np.float32]:
    edge = np.minimum(np.arange(side) + 1, side - np.arange(side)) / (OVERLAP + 1)
    return np.minimum(edge, 1).astype(np.float32)


class _Clock:
    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("detection", "background", "network", "pasting"), 0.0)
        self._last = time.perf_counter()

    def stop(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] += now - self._last
        self._last = now
