"""What an identity angle means: bands measured on pairs of photos, and a verdict in words."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from restoration.images import InputError

NOTICEABLE_DEGREES = 1.0  # smaller differences are not called closer or further


@dataclass(frozen=True, kw_only=True)
class Bands:
    """What one identity network measures between different photos of the same person, and of different people.

    Args:
        network: whose angles these are.
        pairs: how many pairs of photos were measured.
        accuracy: share of pairs that a threshold tells right, 10 folds, [0, 1].
        threshold: that threshold, degrees.
        same, different: 5th, 50th and 95th percentile over pairs of different photos, degrees, [0, 180]. Two versions
            of one photo lie far below ``same``: a restored face inside that band is not thereby faithful.

    Raises:
        InputError: percentiles or accuracy outside their range.
    """

    network: str
    pairs: int
    accuracy: float
    threshold: float
    same: tuple[float, float, float]
    different: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ("same", "different"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != 3 or not 0 <= values[0] <= values[1] <= values[2] <= 180:
                raise InputError(f"Bands need three rising angles in [0, 180] for {name}, not {values}.")
            object.__setattr__(self, name, values)
        if not 0 <= self.accuracy <= 1:
            raise InputError(f"An accuracy lies in [0, 1], not {self.accuracy}.")

    def to_json(self) -> str:
        """All fields as one JSON object; ``read_bands`` gives an equal object back."""
        return json.dumps(asdict(self), indent=1)

    def place(self, angle: float) -> str:
        """Where an angle lies among the pairs, one sentence. Names no verdict about the restoration."""
        if angle >= self.different[0]:
            return "As far apart as photos of different people often are."
        if angle < self.same[0]:
            return "Closer than most photos of one person are to each other."
        if angle <= self.same[2]:
            return "Within what different photos of one person show."
        return "Further apart than most photos of one person, nearer than most of different people."


def read_bands(path: Path, network: str) -> Bands | None:
    """The bands that travel with a network's weights.

    Args:
        path: a file that ``train/extras/verification.py`` wrote.
        network: the name that must stand in it.

    Returns:
        The bands, or None when there is no such file.

    Raises:
        InputError: the file is damaged, or belongs to another network.
    """
    if not path.is_file():
        return None
    try:
        bands = Bands(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path} holds no identity bands ({error}). Write it with train/extras/verification.py."
        ) from error
    if bands.network != network:
        raise InputError(f"{path} holds the bands of {bands.network}, not of {network}. Measure this network's own.")
    return bands


@dataclass(frozen=True)
class Verdict:
    """What became of the person. ``text`` is one sentence; ``warning`` another one where there is need for it."""

    text: str
    better: bool | None
    warning: str | None


def judge(degraded: float, restored: float, bands: Bands | None = None) -> Verdict:
    """Say what restoration did to the likeness.

    Args:
        degraded, restored: angle of each to the true face by one network, degrees.
        bands: that network's, for a warning when the restored face looks like somebody else.

    Returns:
        ``better`` is None where the difference is below ``NOTICEABLE_DEGREES``.
    """
    gain = degraded - restored
    stranger = (
        "To the identity network the restored face is as far from the person as a different person's."
        if bands is not None and restored >= bands.different[0]
        else None
    )
    if abs(gain) < NOTICEABLE_DEGREES:
        return Verdict("As close to the person as the degraded photo", None, stranger)
    if gain > 0:
        return Verdict(f"Closer to the person than the degraded photo by {gain:.0f}°", True, stranger)
    away = f"Restoration moved the face away from the person by {-gain:.0f}°: do not take it for a likeness."
    return Verdict(f"Further from the person than the degraded photo by {-gain:.0f}°", False, stranger or away)
