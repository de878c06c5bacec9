"""One face, several degradations and methods: the same pictures and numbers as one by one, and honest marks."""

import math

import numpy as np
import pytest
from tiny import EXAMPLES, Pool

from restoration import Degradation, InputError, Restorer, degrade_image, read_image
from restoration.lab.experiment import LANCZOS, METHODS, NETWORK, NON_LOCAL_MEANS, WIENER, Row, compare, gain
from restoration.measure.identity import IdentityNetwork
from restoration.measure.metrics import Scores, lanczos, non_local_means, score

CASES = {
    "noise": Degradation(noise=20),
    "small": Degradation(downsample=4),
    "blurred": Degradation(blur_sigma=3, noise=2),
}


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return read_image(EXAMPLES / "eileen_collins.png")


@pytest.fixture(scope="module")
def restorer(tiny_weights) -> Restorer:  # type: ignore[no-untyped-def]
    return Restorer.from_pretrained(tiny_weights)


@pytest.fixture(scope="module")
def identity() -> IdentityNetwork:
    return IdentityNetwork(Pool(), "pool")


@pytest.fixture(scope="module")
def rows(face: np.ndarray, restorer: Restorer, identity: IdentityNetwork) -> dict[str, Row]:
    return {row.label: row for row in compare(face, CASES, 3, restorer, identity)}


def test_every_row_is_what_its_methods_are_one_by_one(
    rows: dict[str, Row], face: np.ndarray, restorer: Restorer, identity: IdentityNetwork
) -> None:
    assert list(rows) == list(CASES)
    for label, row in rows.items():
        assert row.settings == CASES[label]
        assert tuple(row.cells) == METHODS
        for cell in (row.degraded, *filter(None, row.cells.values())):
            assert cell.scores == score(cell.picture, face, identity)
        degraded = degrade_image(face, CASES[label], 3)
        np.testing.assert_array_equal(row.degraded.picture, degraded)
        np.testing.assert_array_equal(row.cells[NETWORK].picture, restorer.restore_aligned(degraded))
        np.testing.assert_array_equal(row.cells[NON_LOCAL_MEANS].picture, non_local_means(degraded))
    small = rows["small"]
    np.testing.assert_array_equal(small.cells[LANCZOS].picture, lanczos(small.degraded.picture, 4))


def test_a_method_with_nothing_to_undo_is_left_out(rows: dict[str, Row]) -> None:
    missing = {label: {name for name, cell in row.cells.items() if cell is None} for label, row in rows.items()}
    assert missing == {"noise": {LANCZOS, WIENER}, "small": {WIENER}, "blurred": {LANCZOS}}
    assert rows["noise"].gain(WIENER) is None


def test_worse_is_named_metric_by_metric() -> None:
    base = Scores(25, 0.7, 40)
    assert gain(base, Scores(24, 0.8, 41)).worse == ("PSNR", "identity")
    assert gain(base, Scores(26, 0.6, 39)).worse == ("SSIM",)
    assert gain(base, Scores(26, 0.8, 39)).worse == ()
    assert gain(base, base).worse == ()
    assert gain(base, Scores(24.996, 0.6996, 40.04)).worse == ()  # shown as no change
    assert gain(base, Scores(24.994, 0.6994, 40.06)).worse == ("PSNR", "SSIM", "identity")
    assert gain(Scores(25, 0.7, None), Scores(24, 0.8, None)).identity_angle is None


def test_the_truth_itself_has_no_finite_gain() -> None:
    perfect = Scores(math.inf, 1, 0)
    assert gain(perfect, perfect).psnr == 0
    assert gain(perfect, Scores(40, 0.99, 1)).psnr == -math.inf
    assert gain(perfect, Scores(40, 0.99, 1)).worse == ("PSNR", "SSIM", "identity")
    assert gain(Scores(40, 0.99, 1), perfect).psnr == math.inf


def test_rows_arrive_one_at_a_time(face: np.ndarray, restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    restore = restorer.restore_aligned
    monkeypatch.setattr(restorer, "restore_aligned", lambda image: seen.append(image) or restore(image))
    arriving = compare(face, {"noise": CASES["noise"], "small": CASES["small"]}, 0, restorer)
    next(arriving)
    assert len(seen) == 1
    arriving.close()
    assert len(seen) == 1


@pytest.mark.parametrize("count", [0, 13])
def test_too_few_or_many_cases_are_refused(face: np.ndarray, restorer: Restorer, count: int) -> None:
    with pytest.raises(InputError, match="1 to 12"):
        next(compare(face, {str(i): Degradation(noise=1) for i in range(count)}, 0, restorer))
