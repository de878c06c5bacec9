"""A grid of severities: every point is the experiment that one would run by itself."""

from pathlib import Path

import numpy as np
import pytest
from tiny import EXAMPLES, Pool

from restoration import Degradation, InputError, Restorer, degrade_image, read_image
from restoration.lab.grid import AXES, MAX_POINTS, SIDE_BY_SIDE, Axis, SeverityGrid, run_grid
from restoration.measure import score
from restoration.measure.identity import IdentityNetwork

NOISE = Axis("noise", (0, 10, 30))
LENGTH = Axis("motion_length", (0, 21))
PLAN = SeverityGrid(Degradation(jpeg=80), NOISE, LENGTH)
FACE = read_image(EXAMPLES / "grace_hopper.png")


@pytest.fixture(scope="module")
def restorer(tiny_weights: Path) -> Restorer:
    return Restorer.from_pretrained(tiny_weights)


def test_every_point_is_the_experiment_by_itself(restorer: Restorer) -> None:
    identity = IdentityNetwork(Pool(), "pool")
    points = list(run_grid(FACE, PLAN, 5, restorer, identity))
    assert [(point.column, point.row) for point in points] == [(x, y) for y in range(2) for x in range(3)]
    for point in points:
        settings = Degradation(jpeg=80, noise=NOISE.values[point.column], motion_length=LENGTH.values[point.row])
        assert point.settings == settings == PLAN.settings(point.column, point.row)
        np.testing.assert_array_equal(point.degraded, degrade_image(FACE, settings, 5))
        np.testing.assert_array_equal(point.restored, restorer.restore_aligned(point.degraded))
        assert point.before == score(point.degraded, FACE, identity)
        assert point.after == score(point.restored, FACE, identity)


def test_the_trained_range_is_marked_and_stronger_noise_costs_more(restorer: Restorer) -> None:
    points = list(run_grid(FACE, SeverityGrid(Degradation(), NOISE), 0, restorer))
    assert [point.trained for point in points] == [True, True, False]  # the tiny weights know noise up to 20
    assert [point.row for point in points] == [0] * 3
    before = [point.before.psnr for point in points]
    assert before == sorted(before, reverse=True)


def test_a_grid_can_be_stopped(restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    restore = restorer.restore_aligned
    monkeypatch.setattr(restorer, "restore_aligned", lambda image: seen.append(image) or restore(image))
    plan = SeverityGrid(Degradation(), Axis.spaced("noise", 0, 40, 20))
    arriving = run_grid(FACE, plan, 0, restorer)
    next(arriving)
    arriving.close()
    begun = len(seen)
    assert begun <= 1 + 2 * SIDE_BY_SIDE
    assert list(arriving) == []
    assert len(seen) == begun


def test_a_swept_blur_is_round() -> None:
    plan = SeverityGrid(Degradation(blur_sigma=2, blur_sigma_y=5), Axis("blur_sigma", (0, 1)))
    assert plan.settings(0).is_identity


@pytest.mark.parametrize("name", AXES)
def test_equal_steps_lie_on_the_settings_own(name: str) -> None:
    low, high = (10, 95) if name == "jpeg" else (1, 19)
    axis = Axis.spaced(name, low, high, 5)
    assert axis.values[0] == low
    assert axis.values[-1] == high
    assert np.ptp(np.diff(axis.values)) <= 1
    SeverityGrid(Degradation(), axis).settings(4)  # Degradation takes it


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Axis("kernel", (0, 1)), "Sweep one of"),
    (lambda: Axis.spaced("angle", 0, 1, 3), "Sweep one of"),
    (lambda: Axis("noise", (5,)), "2 steps"),
    (lambda: Axis.spaced("noise", 5, 5, 3), "lowest value below"),
    (lambda: Axis.spaced("noise", 20, 5, 3), "lowest value below"),
    (lambda: Axis.spaced("jpeg", 50, 53, 9), "lowest value below"),
    (lambda: Axis.spaced("noise", 0, 5, 1), "at least 2"),
    (lambda: Axis("noise", (0, 101)), "from 0 to 100"),
    (lambda: Axis("jpeg", (0, 50)), "from 1 to 100"),
    (lambda: SeverityGrid(Degradation(), NOISE, NOISE), "two different"),
    (lambda: SeverityGrid(Degradation(), Axis.spaced("noise", 0, 80, MAX_POINTS + 1)), "fewer steps"),
])  # fmt: skip
def test_a_plan_that_cannot_be_run_is_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        make()
