"""The verdict: right direction, right words, and a scale that belongs to one network."""

import json
from pathlib import Path

import pytest
from tiny import BANDS

from restoration.images import InputError
from restoration.measure.verdict import judge, read_bands


@pytest.mark.parametrize(
    ("degraded", "restored", "words", "better", "warned"),
    [
        (42.3, 33.1, "Closer to the person than the degraded photo by 9°", True, False),
        (30.0, 34.4, "Further from the person than the degraded photo by 4°", False, True),
        (30.0, 30.9, "As close to the person as the degraded photo", None, False),
        (90.0, 80.0, "Closer to the person than the degraded photo by 10°", True, True),  # still a stranger
    ],
)
def test_the_verdict_says_which_way_and_how_far(
    degraded: float, restored: float, words: str, better: bool | None, warned: bool
) -> None:
    verdict = judge(degraded, restored, BANDS)
    assert (verdict.text, verdict.better) == (words, better)
    assert (verdict.warning is not None) == warned


def test_moving_away_is_warned_about_without_bands_too() -> None:
    warning = judge(20, 26).warning
    assert warning is not None
    assert "moved the face away from the person by 6°" in warning
    assert judge(80, 70).warning is None


def test_an_angle_is_placed_among_pairs_of_photos() -> None:
    assert "Closer than most" in BANDS.place(29)
    assert "one person show" in BANDS.place(30)
    assert "one person show" in BANDS.place(66)
    assert "nearer than most of different people" in BANDS.place(70)
    assert "different people" in BANDS.place(75)


def test_bands_travel_as_json_with_one_network(tmp_path: Path) -> None:
    path = tmp_path / "net.verification.json"
    assert read_bands(path, "net") is None
    path.write_text(BANDS.to_json())
    assert read_bands(path, "net") == BANDS
    with pytest.raises(InputError, match="bands of net, not of other"):
        read_bands(path, "other")
    for damage in ("{}", "[1]", "no json", json.dumps(json.loads(BANDS.to_json()) | {"same": [3, 2, 1]})):
        path.write_text(damage)
        with pytest.raises(InputError, match=r"train/extras/verification\.py"):
            read_bands(path, "net")
