"""The photograph that several tests degrade, how far two pictures are apart, and colour profiles."""

import struct

import numpy as np
import skimage.data

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut())
ODD = np.ascontiguousarray(ASTRONAUT[20:273, 90:391])  # 253 x 301: no side is a multiple of 8


def max_error(image: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(image.astype(np.float64) - reference).max())


def fixed(values) -> bytes:  # type: ignore[no-untyped-def]
    """Numbers as a profile holds them."""
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def icc_profile(space: bytes, gamma: float, **colorants) -> bytes:  # type: ignore[no-untyped-def]
    """An ICC profile (version 2) built by hand: of GRAY, or of ``RGB `` with colorants ``rXYZ``, ``gXYZ`` and ``bXYZ``;
    white D50 and a pure gamma."""
    white = fixed((0.9642, 1.0, 0.8249))
    curves = ("kTRC",) if space == b"GRAY" else ("rTRC", "gTRC", "bTRC")
    tags = {
        "desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(80),
        "cprt": b"text\0\0\0\0none\0",
        "wtpt": b"XYZ \0\0\0\0" + white,
        **{kind: b"XYZ \0\0\0\0" + fixed(xyz) for kind, xyz in colorants.items()},
        **{kind: b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) for kind in curves},
    }
    table, body = struct.pack(">I", len(tags)), b""
    for kind, value in tags.items():
        value += bytes(-len(value) % 4)
        table += kind.encode() + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value
    header = struct.pack(">I4sI4s4s4s", 128 + len(table + body), b"\0" * 4, 0x02400000, b"mntr", space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + white
    return header.ljust(128, b"\0") + table + body
