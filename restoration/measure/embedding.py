"""When are two faces alike to a recogniser?  Embeddings that know whose they are, and the angle between two."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restoration.images import InputError


@dataclass(frozen=True, eq=False)
class Embedding:
    """A face as one identity network sees it.

    Args:
        network: name of the network. Angles between embeddings of different networks mean nothing.
        vector: (D,) float, finite, any length but zero; kept as float64 of unit length.

    Raises:
        ValueError: not one vector, or one without a direction: zero, NaN or infinity. The network is broken then.
    """

    network: str
    vector: NDArray[np.float64]

    def __post_init__(self) -> None:
        vector = np.asarray(self.vector, np.float64)
        length = float(np.linalg.norm(vector))
        if vector.ndim != 1 or not (math.isfinite(length) and length > 0):
            raise ValueError(f"network {self.network} gave no embedding: shape {vector.shape}, length {length}.")
        object.__setattr__(self, "vector", vector / length)

    def angle(self, other: Embedding) -> float:
        """Degrees between two faces, [0, 180]; 0 is the same.

        Raises:
            InputError: the other one comes from another network.
        """
        if other.network != self.network:
            raise InputError(
                f"Embeddings of {self.network} and {other.network} cannot be compared. Use one network for both faces."
            )
        # The half-angle form keeps its precision where an arc cosine loses it, near 0 and 180 degrees.
        apart, together = np.linalg.norm(self.vector - other.vector), np.linalg.norm(self.vector + other.vector)
        return math.degrees(2 * math.atan2(float(apart), float(together)))
