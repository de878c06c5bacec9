"""Curves: a run's logs become one picture, of what they hold."""

from pathlib import Path

import matplotlib.figure
import pytest

from train.curves import plot_curves

TRAIN = "step,seconds,learning_rate,reconstruction,total\n20,1,1e-3,0.3,0.31\n40,2,1e-3,0.2,0.22\n"
VALIDATION = "step,seconds,blind_gain_db\n20,1,0.5\n40,2,1.25\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "train.csv").write_text(TRAIN)
    (tmp_path / "validation.csv").write_text(VALIDATION)
    return tmp_path


def test_every_term_and_gain_is_a_named_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[matplotlib.figure.Figure] = []
    save = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k))
    )
    assert plot_curves(run) == run / "curves.png"
    lines = [{line.get_label(): line.get_xydata().tolist() for line in axis.lines} for axis in figures[0].axes]
    assert lines == [
        {"reconstruction": [[20, 0.3], [40, 0.2]], "total": [[20, 0.31], [40, 0.22]]},
        {"blind": [[20, 0.5], [40, 1.25]]},
    ]
    assert "dB" in figures[0].axes[1].get_ylabel()
