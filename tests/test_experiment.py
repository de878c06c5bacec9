"""Experiments, comparisons and grids: what is degraded, restored and measured, and what the visitor is told."""

import json
import math
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import EXAMPLES, Pool

from restoration import Degradation, InputError, Restorer, degrade_image, lab, read_image, write_png
from restoration.lab import (
    LANCZOS,
    NETWORK,
    NON_LOCAL_MEANS,
    WIENER,
    Row,
    compare,
    run_degrade,
    run_experiment,
    run_grid,
)
from restoration.lab.recipe import Axis, SeverityGrid
from restoration.measure import Scores, lanczos, non_local_means, score
from restoration.measure.identity import IdentityNetwork

EILEEN = str(EXAMPLES / "eileen_collins.png")
FACE, IDENTITY = read_image(EILEEN), IdentityNetwork(Pool(), "pool")
SETTINGS = Degradation(blur_sigma=2, downsample=4, noise=10)
CASES = {"small": Degradation(downsample=4), "blurred": Degradation(blur_sigma=3, noise=2)}


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


@pytest.fixture(scope="module")
def outcome(restorer: Restorer) -> lab.Outcome:
    return run_experiment(EILEEN, SETTINGS, 3, restorer, IDENTITY)


def test_an_experiment_measures_both_against_the_clean_face(restorer: Restorer, outcome: lab.Outcome) -> None:
    before = run_degrade(EILEEN, SETTINGS, 3, IDENTITY)
    assert (list(before.pictures), list(outcome.pictures)) == (["Clean", "Degraded"], ["Clean", "Degraded", "Restored"])
    clean, degraded, restored = outcome.pictures.values()
    assert np.array_equal(clean, FACE)
    assert np.array_equal(degraded, degrade_image(FACE, SETTINGS, 3))
    assert np.array_equal(degraded, before.pictures["Degraded"])
    assert np.array_equal(restored, restorer.restore_aligned(degraded))
    assert before.scores == {lab.INPUT_ROW: score(degraded, clean, IDENTITY)}
    assert outcome.scores == {**before.scores, lab.RESTORED_ROW: score(restored, clean, IDENTITY)}
    assert (before.settings, before.seconds, before.warnings) == (SETTINGS, None, [])
    assert before.caption == f"{outcome.caption}, not restored yet" == f"{SETTINGS.describe()}, not restored yet"
    assert outcome.seconds is not None
    assert outcome.seconds > 0


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


def test_a_report_is_the_outcome_in_json_without_an_infinity(restorer: Restorer, outcome: lab.Outcome) -> None:
    def told(outcome: lab.Outcome) -> dict[str, Any]:
        return json.loads(json.dumps(lab.report(outcome, restorer), allow_nan=False))

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


def test_a_step_away_from_the_person_is_warned_about(restorer: Restorer, monkeypatch) -> None:
    monkeypatch.setattr(restorer, "restore_aligned", np.zeros_like)  # every face comes out black
    outcome = run_experiment(EILEEN, Degradation(noise=1), 0, restorer, IDENTITY)
    assert any("moved the face away from the person" in warning for warning in outcome.warnings)
    assert run_experiment(EILEEN, Degradation(noise=1), 0, restorer, None).warnings == []


def test_every_row_of_a_comparison_is_what_its_methods_are_one_by_one(rows: dict[str, Row], restorer: Restorer) -> None:
    assert list(rows) == list(CASES)
    for label, row in rows.items():
        assert row.settings == CASES[label]
        assert tuple(row.cells) == lab.METHODS
        np.testing.assert_array_equal(row.degraded.picture, degrade_image(FACE, CASES[label], 3))
        np.testing.assert_array_equal(row.cells[NETWORK].picture, restorer.restore_aligned(row.degraded.picture))
    small = rows["small"]
    for cell in (small.degraded, *filter(None, small.cells.values())):
        assert cell.scores == score(cell.picture, FACE, IDENTITY)
    np.testing.assert_array_equal(small.cells[NON_LOCAL_MEANS].picture, non_local_means(small.degraded.picture))
    np.testing.assert_array_equal(small.cells[LANCZOS].picture, lanczos(small.degraded.picture, 4))
    missing = {label: {name for name, cell in row.cells.items() if cell is None} for label, row in rows.items()}
    assert missing == {"small": {WIENER}, "blurred": {LANCZOS}}  # there is nothing for them to undo
    assert small.gain(WIENER) is None


def test_every_point_of_a_grid_is_the_experiment_by_itself_and_a_grid_can_be_stopped(restorer, monkeypatch) -> None:
    restore, seen = restorer.restore_aligned, []
    monkeypatch.setattr(restorer, "restore_aligned", lambda image: seen.append(image) or restore(image))
    plan = SeverityGrid(Degradation(), Axis.spaced("noise", 18, 22, 3), Axis.spaced("motion_length", 0, 20, 6))
    arriving = run_grid(FACE, plan, 5, restorer, IDENTITY)
    points = [next(arriving) for _ in range(4)]
    arriving.close()
    begun = len(seen)
    assert begun <= 4 + 2 * lab.SIDE_BY_SIDE < len(plan)
    assert list(arriving) == []
    assert len(seen) == begun
    assert [(point.column, point.row) for point in points] == [(0, 0), (1, 0), (2, 0), (0, 1)]
    assert [point.trained for point in points] == [True, True, False, False]  # the tiny weights know noise up to 20
    for point in points:
        settings = Degradation(noise=18 + 2 * point.column, motion_length=4 * point.row)
        assert point.settings == settings == plan.settings(point.column, point.row)
        np.testing.assert_array_equal(point.degraded, degrade_image(FACE, settings, 5))
        np.testing.assert_array_equal(point.restored, restore(point.degraded))
    assert point.before == score(point.degraded, FACE, IDENTITY)
    assert point.after == score(point.restored, FACE, IDENTITY)


def test_worse_is_named_metric_by_metric() -> None:
    base, perfect = Scores(25, 0.7, 40), Scores(math.inf, 1, 0)
    for before, after, worse in (
        (base, Scores(24, 0.8, 41), ("PSNR", "identity")),
        (base, base, ()),
        (base, Scores(24.91, 0.6951, 40.9), ()),  # nobody would notice
        (base, Scores(24.89, 0.6949, 41.1), ("PSNR", "SSIM", "identity")),
        (perfect, Scores(40, 0.99, 1), ("PSNR", "SSIM", "identity")),
    ):
        assert lab.gain(before, after).worse == worse
