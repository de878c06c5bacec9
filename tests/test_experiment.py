"""Experiments and comparisons: what is degraded, restored and measured, and what the visitor is told about it."""

import json
import math
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import EXAMPLES, FACTS, Pool, tiny_network
from torch import nn

from restoration import Degradation, InputError, Restorer, degrade_image, lab, read_image, write_png
from restoration.lab import LANCZOS, NETWORK, NON_LOCAL_MEANS, WIENER, Row, compare, run_degrade, run_experiment
from restoration.measure import Scores, lanczos, non_local_means, score
from restoration.measure.identity import IdentityNetwork
from restoration.network.checkpoint import save_weights

EILEEN = str(EXAMPLES / "eileen_collins.png")
FACE, IDENTITY = read_image(EILEEN), IdentityNetwork(Pool(), "pool")
SETTINGS = Degradation(blur_sigma=2, downsample=4, noise=10)
CASES = {
    "noise": Degradation(noise=20),
    "small": Degradation(downsample=4),
    "blurred": Degradation(blur_sigma=3, noise=2),
}


@pytest.fixture(scope="module")
def restorer(tiny_weights: Path) -> Restorer:
    return Restorer.from_pretrained(tiny_weights)


@pytest.fixture(scope="module")
def rows(restorer: Restorer) -> dict[str, Row]:
    return {row.label: row for row in compare(FACE, CASES, 3, restorer, IDENTITY)}


def picture(folder: Path, width: int, height: int) -> str:
    """A file of noise of that size."""
    path = folder / f"{width}x{height}.png"
    write_png(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8), path)
    return str(path)


@pytest.mark.parametrize("measured", [True, False], ids=["identity", "no identity"])
def test_an_experiment_measures_both_against_the_clean_face(restorer: Restorer, measured: bool) -> None:
    network = IDENTITY if measured else None
    before, outcome = run_degrade(EILEEN, SETTINGS, 3, network), run_experiment(EILEEN, SETTINGS, 3, restorer, network)
    assert (list(before.pictures), list(outcome.pictures)) == (["Clean", "Degraded"], ["Clean", "Degraded", "Restored"])
    clean, degraded, restored = outcome.pictures.values()
    assert np.array_equal(clean, FACE)
    assert np.array_equal(degraded, degrade_image(FACE, SETTINGS, 3))
    assert np.array_equal(degraded, before.pictures["Degraded"])
    assert np.array_equal(restored, restorer.restore_aligned(degraded))
    assert before.scores == {lab.INPUT_ROW: score(degraded, clean, network)}
    assert outcome.scores == {**before.scores, lab.RESTORED_ROW: score(restored, clean, network)}
    assert [scores.identity_angle is not None for scores in outcome.scores.values()] == [measured] * 2
    assert (before.settings, before.seconds, before.warnings) == (SETTINGS, None, [])
    assert before.caption == f"{SETTINGS.describe()}, not restored yet"
    assert outcome.caption == SETTINGS.describe()
    assert outcome.seconds is not None
    assert outcome.seconds > 0


def test_seeds_are_whole_numbers() -> None:
    assert (lab.make_seed(0), lab.make_seed(3.0), lab.make_seed(lab.MAX_SEED)) == (0, 3, lab.MAX_SEED)
    assert type(lab.make_seed(3.0)) is int
    for bad in (None, math.nan, math.inf, -1, 0.5, lab.MAX_SEED + 1, "3"):
        with pytest.raises(InputError, match=f"whole number from 0 to {lab.MAX_SEED}"):
            lab.make_seed(bad)


def test_the_crop_is_told(tmp_path: Path) -> None:
    for size, expected in {
        (600, 600): [],
        (700, 600): ["centred 600 × 600 square of your 700 × 600 photo"],
        (100, 64): ["centred 64 × 64 square of your 100 × 64 photo", "enlarged 8.0× to 512 × 512"],
    }.items():
        face, notes = lab.read_face(picture(tmp_path, *size))
        assert face.shape == (512, 512, 3)
        assert all(words in note for note, words in zip(notes, expected, strict=True))
    with pytest.raises(InputError, match="There is no picture yet"):
        lab.read_face(None)


def test_settings_outside_the_trained_range_are_warned_of_after_the_notes(restorer: Restorer, tmp_path: Path) -> None:
    path, trained = picture(tmp_path, 600, 512), FACTS["ranges"]["noise"][1]  # type: ignore[index]
    [inside] = run_experiment(path, Degradation(noise=trained), 0, restorer, None).warnings
    assert "square" in inside
    settings = Degradation(noise=trained + 1, jpeg=50)
    noted, noise, jpeg = run_experiment(path, settings, 0, restorer, None).warnings
    assert [noted, noise, jpeg] == [inside, *restorer.out_of_range(settings)]
    assert "noise" in noise
    assert "JPEG" in jpeg


def test_a_report_is_the_outcome_in_json_without_an_infinity(restorer: Restorer) -> None:
    def told(outcome: lab.Outcome) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(json.dumps(lab.report(outcome, restorer), allow_nan=False))
        return read

    outcome = run_experiment(EILEEN, SETTINGS, 3, restorer, IDENTITY)
    report = told(outcome)
    for row, (label, scores) in zip(report["metrics"], outcome.scores.items(), strict=True):
        numbers = (row["psnr_db"], row["ssim"], row["identity_angle_deg"])
        assert (row["method"], *numbers, row["identical"]) == (label.lower(), *astuple(scores), False)
    assert report["warnings"] == outcome.warnings == restorer.out_of_range(SETTINGS) != []
    assert (report["settings"], report["seconds"]) == (asdict(SETTINGS), outcome.seconds)
    assert report["model"].items() <= restorer.info.items()
    assert set(report["model"]) == {"name", "license", "parameters", "device", "precision"}
    (row,) = told(run_degrade(EILEEN, Degradation(), 0, None))["metrics"]
    expected = {"psnr_db": None, "identical": True, "ssim": 1, "identity_angle_deg": None}
    assert row == {"method": "degraded input", **expected}
    photo = told(lab.Outcome(pictures={lab.PHOTO: FACE, lab.RESTORED: FACE}, caption="a photo", seconds=0.5))
    assert (photo["metrics"], photo["settings"], photo["warnings"], photo["seconds"]) == ([], None, [], 0.5)


def test_a_step_away_from_the_person_is_warned_about(restorer: Restorer, tmp_path: Path) -> None:
    torch.manual_seed(0)
    darkener = tiny_network()
    nn.init.constant_(darkener.detail.tail.bias, -1.0)  # every face comes out black
    save_weights(tmp_path / "dark", darkener, FACTS)
    outcome = run_experiment(EILEEN, Degradation(noise=1), 0, Restorer.from_pretrained(tmp_path / "dark"), IDENTITY)
    assert any("moved the face away from the person" in warning for warning in outcome.warnings)
    verdict = lab.identity_verdict(outcome.scores)
    assert verdict is not None
    assert verdict.better is False
    assert lab.identity_verdict({lab.INPUT_ROW: outcome.scores[lab.INPUT_ROW]}) is None
    assert run_experiment(EILEEN, Degradation(noise=1), 0, restorer, None).warnings == []


def test_every_row_of_a_comparison_is_what_its_methods_are_one_by_one(rows: dict[str, Row], restorer: Restorer) -> None:
    assert list(rows) == list(CASES)
    for label, row in rows.items():
        assert row.settings == CASES[label]
        assert tuple(row.cells) == lab.METHODS
        for cell in (row.degraded, *filter(None, row.cells.values())):
            assert cell.scores == score(cell.picture, FACE, IDENTITY)
        degraded = degrade_image(FACE, CASES[label], 3)
        np.testing.assert_array_equal(row.degraded.picture, degraded)
        np.testing.assert_array_equal(row.cells[NETWORK].picture, restorer.restore_aligned(degraded))
        np.testing.assert_array_equal(row.cells[NON_LOCAL_MEANS].picture, non_local_means(degraded))
    small = rows["small"]
    np.testing.assert_array_equal(small.cells[LANCZOS].picture, lanczos(small.degraded.picture, 4))


def test_a_method_with_nothing_to_undo_is_left_out_and_too_many_cases(rows: dict[str, Row], restorer: Restorer) -> None:
    missing = {label: {name for name, cell in row.cells.items() if cell is None} for label, row in rows.items()}
    assert missing == {"noise": {LANCZOS, WIENER}, "small": {WIENER}, "blurred": {LANCZOS}}
    assert rows["noise"].gain(WIENER) is None
    for count in (0, 13):
        with pytest.raises(InputError, match="1 to 12"):
            next(compare(FACE, {str(i): Degradation(noise=1) for i in range(count)}, 0, restorer))


def test_worse_is_named_metric_by_metric() -> None:
    base, perfect = Scores(25, 0.7, 40), Scores(math.inf, 1, 0)
    for before, after, worse in (
        (base, Scores(24, 0.8, 41), ("PSNR", "identity")),
        (base, Scores(26, 0.6, 39), ("SSIM",)),
        (base, Scores(26, 0.8, 39), ()),
        (base, base, ()),
        (base, Scores(24.91, 0.6951, 40.9), ()),  # nobody would notice
        (base, Scores(24.89, 0.6949, 41.1), ("PSNR", "SSIM", "identity")),
        (perfect, Scores(40, 0.99, 1), ("PSNR", "SSIM", "identity")),
    ):
        assert lab.gain(before, after).worse == worse
    assert lab.gain(Scores(25, 0.7, None), Scores(24, 0.8, None)).identity_angle is None
    assert lab.gain(perfect, perfect).psnr == 0
    assert lab.gain(perfect, Scores(40, 0.99, 1)).psnr == -math.inf
    assert lab.gain(Scores(40, 0.99, 1), perfect).psnr == math.inf
