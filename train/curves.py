"""How did a run go?  Its logs as one picture."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def _columns(path: Path) -> dict[str, list[float]]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in rows[0]} if rows else {}


def plot_curves(run: Path) -> Path:
    """Draw loss terms and validation gains of a run.

    Args:
        run: folder with ``train.csv`` and ``validation.csv``.

    Returns:
        The picture, ``run/curves.png``.
    """
    train, validation = _columns(run / "train.csv"), _columns(run / "validation.csv")
    terms = [key for key in train if key not in ("step", "seconds", "learning_rate")]
    gains = [key for key in validation if key not in ("step", "seconds")]
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    for key in terms:
        axes[0].plot(train["step"], train[key], label=key, linewidth=1)
    axes[0].set(xlabel="step", title="training loss")
    for key in gains:
        axes[1].plot(validation["step"], validation[key], label=key.removesuffix("_gain_db"), marker=".")
    axes[1].set(xlabel="step", ylabel="dB", title="validation: PSNR gain over the degraded input")
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend()
    path = run / "curves.png"
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


if __name__ == "__main__":
    print(plot_curves(Path(sys.argv[1])))
