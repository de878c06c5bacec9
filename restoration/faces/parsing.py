"""The parts of an aligned face that are face, by ParseNet: facexlib's network and the weights that it publishes.

An option of pasting: what it says is no face (background, hat, neck, clothes) keeps the photo's own texture.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from restoration.faces.alignment import FACE_SIZE
from restoration.faces.download import cache_folder, fetch, load_checkpoint
from restoration.images import Image, check_image

# 85 MB. The release states no checksum. This is the one that the Arch User Repository's package of facexlib pins.
URL = "https://github.com/xinntao/facexlib/releases/download/v0.2.2/parsing_parsenet.pth"
SHA256 = "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2"
# Classes of CelebAMask-HQ: 0 background, 1 to 13 skin, features, ears and hair, 14 hat, 15 earring, 16 to 18 necklace,
# neck and clothes.
FACE_CLASSES = (*range(1, 14), 15)
FEATHER = 12.0  # pixels of the 512 face: standard deviation by which the parts' border is softened


class FaceParser:
    """A loaded network. Safe to share between threads."""

    def __init__(self, network: Any) -> None:
        self._network = network

    @torch.inference_mode()
    def parts(self, face: Image) -> NDArray[np.uint8]:
        """Where an aligned face is face.

        Args:
            face: (512, 512, 3) uint8 RGB. Not modified.

        Returns:
            (512, 512, 1) uint8: 255 well inside skin, features and hair, 0 well outside, smooth between.

        Raises:
            InputError: not an ``Image``.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(check_image(face))).permute(2, 0, 1)[None].float()
        classes = self._network(pixels / 127.5 - 1)[0][0].argmax(dim=0).numpy()
        inside = np.isin(classes, FACE_CLASSES).astype(np.float32) * 255
        soft = cv2.GaussianBlur(inside, (0, 0), FEATHER, borderType=cv2.BORDER_REPLICATE)
        parts: NDArray[np.uint8] = np.rint(soft).astype(np.uint8).reshape(FACE_SIZE, FACE_SIZE, 1)
        return parts


def load_parser() -> FaceParser:
    """The parser, from the project's cache or fetched into it once (85 MB); loaded once a process.

    Raises:
        DownloadError: its weights cannot be had, or the file is damaged. The message says what to do.
    """
    return _load(fetch(URL, SHA256, folder=cache_folder()))


@functools.lru_cache(maxsize=1)
def _load(path: Path) -> FaceParser:
    from facexlib.parsing.parsenet import ParseNet  # here: takes seconds to import

    return FaceParser(load_checkpoint(path, ParseNet(in_size=FACE_SIZE, out_size=FACE_SIZE, parsing_ch=19)))
