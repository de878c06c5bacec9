"""Experiments: what is degraded, restored and measured, and what the visitor is told about it."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import EXAMPLES, FACTS, Pool, tiny_network
from torch import nn

from restoration import Degradation, InputError, Restorer
from restoration.degrade import degrade_image
from restoration.hub import save_weights
from restoration.images import read_image, write_png
from restoration.lab.experiment import (
    CLEAN,
    DEGRADED,
    INPUT_ROW,
    MAX_SEED,
    PHOTO,
    RESTORED,
    RESTORED_ROW,
    Outcome,
    identity_verdict,
    make_seed,
    read_face,
    report,
    run_degrade,
    run_experiment,
)
from restoration.measure.identity import IdentityNetwork
from restoration.measure.metrics import score

EILEEN = str(EXAMPLES / "eileen_collins.png")
SETTINGS = Degradation(blur_sigma=2, downsample=4, noise=10)


@pytest.fixture(scope="module")
def restorer(tiny_weights: Path) -> Restorer:
    return Restorer.from_pretrained(tiny_weights)


@pytest.fixture(scope="module")
def identity() -> IdentityNetwork:
    return IdentityNetwork(Pool(), "pool")


def picture(folder: Path, width: int, height: int) -> str:
    """A file of noise of that size."""
    path = folder / f"{width}x{height}.png"
    write_png(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8), path)
    return str(path)


def test_degrading_measures_what_was_lost(identity: IdentityNetwork) -> None:
    outcome = run_degrade(EILEEN, SETTINGS, 3, identity)
    assert list(outcome.pictures) == [CLEAN, DEGRADED]
    clean, degraded = outcome.pictures.values()
    assert np.array_equal(clean, read_image(EILEEN))
    assert np.array_equal(degraded, degrade_image(clean, SETTINGS, 3))
    assert outcome.scores == {INPUT_ROW: score(degraded, clean, identity)}
    assert outcome.scores[INPUT_ROW].identity_angle is not None
    assert outcome.settings == SETTINGS
    assert outcome.seconds is None
    assert outcome.warnings == []
    assert SETTINGS.describe() in outcome.caption
    assert "not restored" in outcome.caption


@pytest.mark.parametrize("measured", [True, False], ids=["identity", "no identity"])
def test_an_experiment_measures_both_against_the_clean_face(
    restorer: Restorer, identity: IdentityNetwork, measured: bool
) -> None:
    network = identity if measured else None
    outcome = run_experiment(EILEEN, SETTINGS, 3, restorer, network)
    before = run_degrade(EILEEN, SETTINGS, 3, network)
    assert list(outcome.pictures) == [CLEAN, DEGRADED, RESTORED]
    for label, expected in before.pictures.items():
        assert np.array_equal(outcome.pictures[label], expected)
    clean, degraded, restored = outcome.pictures.values()
    assert np.array_equal(restored, restorer.restore_aligned(degraded))
    assert outcome.scores == {INPUT_ROW: score(degraded, clean, network), RESTORED_ROW: score(restored, clean, network)}
    assert [scores.identity_angle is not None for scores in outcome.scores.values()] == [measured] * 2
    assert outcome.caption == SETTINGS.describe()
    assert outcome.seconds is not None
    assert outcome.seconds > 0


def test_seeds_decide_the_noise_and_are_whole_numbers() -> None:
    first, again, other = (run_degrade(EILEEN, SETTINGS, seed, None).pictures[DEGRADED] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (make_seed(0), make_seed(3.0), make_seed(MAX_SEED)) == (0, 3, MAX_SEED)
    assert type(make_seed(3.0)) is int
    for bad in (None, math.nan, math.inf, -1, 0.5, MAX_SEED + 1, "3"):
        with pytest.raises(InputError, match=f"whole number from 0 to {MAX_SEED}"):
            make_seed(bad)


@pytest.mark.parametrize(("size", "expected"), [
    ((600, 600), []),
    ((700, 600), ["centred 600 × 600 square of your 700 × 600 photo"]),
    ((100, 64), ["centred 64 × 64 square of your 100 × 64 photo", "enlarged 8.0× to 512 × 512"]),
])  # fmt: skip
def test_the_crop_is_told(tmp_path: Path, size: tuple[int, int], expected: list[str]) -> None:
    face, notes = read_face(picture(tmp_path, *size))
    assert face.shape == (512, 512, 3)
    assert len(notes) == len(expected)
    for note, words in zip(notes, expected, strict=True):
        assert words in note


def test_no_photo_is_refused_everywhere(restorer: Restorer) -> None:
    for run in (
        lambda: run_degrade(None, SETTINGS, 0, None),
        lambda: run_experiment(None, SETTINGS, 0, restorer, None),
    ):
        with pytest.raises(InputError, match="There is no picture yet"):
            run()


def test_settings_outside_the_trained_range_are_warned_of_after_the_notes(restorer: Restorer, tmp_path: Path) -> None:
    path, trained = picture(tmp_path, 600, 512), FACTS["ranges"]["noise"][1]  # type: ignore[index]
    inside = run_experiment(path, Degradation(noise=trained), 0, restorer, None).warnings
    assert len(inside) == 1
    assert "square" in inside[0]
    settings = Degradation(noise=trained + 1, jpeg=50)
    outside = run_experiment(path, settings, 0, restorer, None).warnings
    assert outside == inside + restorer.out_of_range(settings)
    assert [word in text for word, text in zip(("noise", "JPEG"), outside[1:], strict=True)] == [True, True]


def test_a_report_is_the_outcome_in_json(restorer: Restorer, identity: IdentityNetwork) -> None:
    outcome = run_experiment(EILEEN, SETTINGS, 3, restorer, identity)
    told = json.loads(json.dumps(report(outcome, restorer), allow_nan=False))
    for row, (label, scores) in zip(told["metrics"], outcome.scores.items(), strict=True):
        assert row == {
            "method": label.lower(),
            "psnr_db": scores.psnr,
            "ssim": scores.ssim,
            "identity_angle_deg": scores.identity_angle,
            "identical": False,
        }
    assert Degradation(**told["settings"]) == SETTINGS
    assert told["settings"] == asdict(SETTINGS)
    assert told["warnings"] == outcome.warnings == restorer.out_of_range(SETTINGS)
    assert told["warnings"] != []
    assert told["seconds"] == outcome.seconds
    known = ("name", "license", "parameters", "device", "precision")
    assert told["model"] == {key: restorer.info[key] for key in known}
    assert told["model"]["name"] == FACTS["name"]


def test_a_report_has_no_infinity_and_without_truth_no_metrics(restorer: Restorer) -> None:
    outcome = run_degrade(EILEEN, Degradation(), 0, None)
    (row,) = json.loads(json.dumps(report(outcome, restorer), allow_nan=False))["metrics"]
    expected = {"psnr_db": None, "identical": True, "ssim": 1, "identity_angle_deg": None}
    assert row == {"method": INPUT_ROW.lower(), **expected}
    face = outcome.pictures[CLEAN]
    photo = Outcome(pictures={PHOTO: face, RESTORED: face}, caption="a photo", seconds=0.5)
    told = json.loads(json.dumps(report(photo, restorer), allow_nan=False))
    assert (told["metrics"], told["settings"], told["warnings"], told["seconds"]) == ([], None, [], 0.5)


class Shade(nn.Module):
    """A recogniser of brightness alone: the angle grows with the difference."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        light = crops.mean(dim=(1, 2, 3))
        return torch.stack([light, torch.ones_like(light)], dim=1)


def test_a_step_away_from_the_person_is_warned_about(restorer: Restorer, tmp_path: Path) -> None:
    torch.manual_seed(0)
    darkener = tiny_network()
    nn.init.constant_(darkener.detail.tail.bias, -1.0)  # every face comes out black
    save_weights(tmp_path / "dark", darkener, FACTS)
    dark, network = Restorer.from_pretrained(tmp_path / "dark"), IdentityNetwork(Shade(), "shade")
    outcome = run_experiment(EILEEN, Degradation(noise=1), 0, dark, network)
    assert any("moved the face away from the person" in warning for warning in outcome.warnings)
    verdict = identity_verdict(outcome.scores)
    assert verdict is not None
    assert verdict.better is False
    assert identity_verdict({INPUT_ROW: outcome.scores[INPUT_ROW]}) is None
    assert run_experiment(EILEEN, Degradation(noise=1), 0, restorer, None).warnings == []
