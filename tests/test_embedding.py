"""Angles between embeddings: degrees, precise at both ends, and never between two networks."""

import numpy as np
import pytest

from restoration.images import InputError
from restoration.measure.embedding import Embedding


@pytest.mark.parametrize("degrees", [0, 1e-6, 9, 60, 90, 179.999999, 180])
def test_angle_is_in_degrees_whatever_the_lengths(degrees: float) -> None:
    radians = np.deg2rad(degrees)
    one, other = (
        Embedding("a", np.array([3.0, 0, 0])),
        Embedding("a", 0.2 * np.array([np.cos(radians), np.sin(radians), 0])),
    )
    assert one.angle(other) == pytest.approx(degrees, abs=1e-9)
    assert other.angle(one) == one.angle(other)


def test_two_networks_are_never_compared() -> None:
    vector = np.ones(4)
    with pytest.raises(InputError, match="of a and b cannot be compared"):
        Embedding("a", vector).angle(Embedding("b", vector))


@pytest.mark.parametrize("vector", [np.zeros(3), np.array([1, np.nan]), np.array([np.inf, 1]), np.ones((1, 3))])
def test_what_has_no_direction_is_refused(vector: np.ndarray) -> None:
    with pytest.raises(ValueError, match="network a gave no embedding"):
        Embedding("a", vector)
