"""A grid of severities: every point is the experiment that one would run by itself."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tiny import EXAMPLES, Pool

from restoration import Degradation, InputError, Restorer, degrade_image, read_image
from restoration.degrade.degradations import blur_only
from restoration.lab import sweep
from restoration.lab.sweep import AXES, GPU_BATCH, MAX_POINTS, Axis, Sweep, run_sweep, single_threads
from restoration.measure.identity import IdentityNetwork
from restoration.measure.metrics import score

NOISE = Axis("noise", (0, 10, 20, 30))
LENGTH = Axis("motion_length", (0, 9, 21))
PLAN = Sweep(Degradation(jpeg=80), NOISE, LENGTH)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return read_image(EXAMPLES / "grace_hopper.png")


@pytest.fixture(scope="module")
def restorer(tiny_weights) -> Restorer:  # type: ignore[no-untyped-def]
    return Restorer.from_pretrained(tiny_weights)


def test_every_point_is_the_experiment_by_itself(face: np.ndarray, restorer: Restorer) -> None:
    identity = IdentityNetwork(Pool(), "pool")
    points = list(run_sweep(face, PLAN, 5, restorer, identity))
    assert [(point.column, point.row) for point in points] == [(x, y) for y in range(3) for x in range(4)]
    for point in points:
        settings = Degradation(jpeg=80, noise=NOISE.values[point.column], motion_length=LENGTH.values[point.row])
        assert point.settings == settings == PLAN.settings(point.column, point.row)
        degraded = degrade_image(face, settings, 5)
        assert point.before == score(degraded, face, identity)
        alone = score(restorer.restore_aligned(degraded), face, identity)
        assert point.after.psnr == pytest.approx(alone.psnr, abs=0.01)
        assert point.after.ssim == pytest.approx(alone.ssim, abs=1e-4)
        assert point.after.identity_angle == pytest.approx(alone.identity_angle, abs=0.05)


def test_the_trained_range_is_marked(face: np.ndarray, restorer: Restorer) -> None:
    points = list(run_sweep(face, Sweep(Degradation(), NOISE), 0, restorer))
    assert [point.trained for point in points] == [True, True, True, False]  # the tiny weights know noise up to 20
    assert [point.row for point in points] == [0] * 4


def test_stronger_noise_costs_more(face: np.ndarray, restorer: Restorer) -> None:
    before = [point.before.psnr for point in run_sweep(face, Sweep(Degradation(), NOISE), 0, restorer)]
    assert before == sorted(before, reverse=True)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets how many cores torch takes; afterwards as many as before."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def elsewhere() -> int:
    """How many cores torch takes in a new thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_a_sweep_can_be_stopped(
    face: np.ndarray, restorer: Restorer, monkeypatch: pytest.MonkeyPatch, threads: Callable[[int], None]
) -> None:
    seen = []
    forward = restorer._model.forward
    monkeypatch.setattr(restorer._model, "forward", lambda faces: seen.append(len(faces)) or forward(faces))
    threads(2)
    arriving = run_sweep(face, PLAN, 0, restorer)
    next(arriving)
    arriving.close()
    assert seen in ([1] * 2, [1] * 3, [1] * 4)  # two side by side, and who was done before it was closed began another


def test_a_gpu_gets_several_faces_at_a_time(
    face: np.ndarray, restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(run_sweep(face, PLAN, 0, restorer))
    seen = []
    restore = restorer.restore_batch
    monkeypatch.setattr(Restorer, "on_cpu", False)
    monkeypatch.setattr(restorer, "restore_batch", lambda faces: seen.append(len(faces)) or restore(faces))
    points = list(run_sweep(face, PLAN, 0, restorer))
    assert sorted(seen) == [len(PLAN) - GPU_BATCH, GPU_BATCH]
    assert [(point.column, point.row, point.before) for point in points] == [
        (point.column, point.row, point.before) for point in expected
    ]


def test_what_blurs_alike_is_blurred_once(
    face: np.ndarray, restorer: Restorer, monkeypatch: pytest.MonkeyPatch, threads: Callable[[int], None]
) -> None:
    seen = []
    monkeypatch.setattr(sweep, "blur_only", lambda faces, blurs: seen.append(blurs[0]) or blur_only(faces, blurs))
    threads(1)
    list(run_sweep(face, PLAN, 0, restorer))
    assert [blurs.motion_length for blurs in seen] == [0, 9, 21]


def test_a_sweep_leaves_torch_its_cores(face: np.ndarray, restorer: Restorer, threads: Callable[[int], None]) -> None:
    threads(3)
    arriving = run_sweep(face, PLAN, 0, restorer)
    next(arriving)
    assert (torch.get_num_threads(), elsewhere()) == (3, 3)  # for other visitors, too
    arriving.close()
    with single_threads(2) as pool:
        assert [pool.submit(torch.get_num_threads).result() for _ in range(4)] == [1] * 4
    assert (torch.get_num_threads(), elsewhere()) == (3, 3)


@pytest.mark.parametrize(
    ("plan", "reached", "missing"),
    [
        (PLAN, 12, ""),
        (PLAN, 5, """This sweep was stopped after 5 of 12 points. Not measured:
- Motion blur length (px) 9, with Gaussian noise sigma (grey levels) 10, 20, 30
- Motion blur length (px) 21, with Gaussian noise sigma (grey levels) 0, 10, 20, 30
"""),
        (PLAN, 8, """This sweep was stopped after 8 of 12 points. Not measured:
- Motion blur length (px) 21, with Gaussian noise sigma (grey levels) 0, 10, 20, 30
"""),
        (PLAN, 11, """This sweep was stopped after 11 of 12 points. Not measured:
- Motion blur length (px) 21, with Gaussian noise sigma (grey levels) 30
"""),
        (Sweep(Degradation(), NOISE), 1, """This sweep was stopped after 1 of 4 points. Not measured:
- Gaussian noise sigma (grey levels) 10, 20, 30
"""),
    ],
)  # fmt: skip
def test_what_a_stopped_sweep_did_not_measure_is_said(plan: Sweep, reached: int, missing: str) -> None:
    assert plan.missing(reached) == missing


def test_a_swept_blur_is_round() -> None:
    plan = Sweep(Degradation(blur_sigma=2, blur_sigma_y=5), Axis("blur_sigma", (0, 1)))
    assert plan.settings(0).is_identity


@pytest.mark.parametrize("name", AXES)
def test_equal_steps_lie_on_the_settings_own(name: str) -> None:
    low, high = (10, 95) if name == "jpeg" else (1, 19)
    axis = Axis.spaced(name, low, high, 5)
    assert axis.values[0] == low
    assert axis.values[-1] == high
    assert np.ptp(np.diff(axis.values)) <= 1
    Sweep(Degradation(), axis).settings(4)  # Degradation takes it


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis("kernel", (0, 1)), "Sweep one of"),
        (lambda: Axis.spaced("angle", 0, 1, 3), "Sweep one of"),
        (lambda: Axis("noise", (5,)), "2 steps"),
        (lambda: Axis.spaced("noise", 5, 5, 3), "lowest value below"),
        (lambda: Axis.spaced("noise", 20, 5, 3), "lowest value below"),
        (lambda: Axis.spaced("jpeg", 50, 53, 9), "lowest value below"),
        (lambda: Axis.spaced("noise", 0, 5, 1), "at least 2"),
        (lambda: Axis("noise", (0, 101)), "from 0 to 100"),
        (lambda: Axis("jpeg", (0, 50)), "from 1 to 100"),
        (lambda: Sweep(Degradation(), NOISE, NOISE), "two different"),
        (lambda: Sweep(Degradation(), Axis.spaced("noise", 0, 80, MAX_POINTS + 1)), "fewer steps"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        make()
