"""How restoration fares as one degradation grows: a grid of single degradations, as a table and as curves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from restoration.degrade import LIMITS
from restoration.degrade.protocols import Distribution
from train.summary import INPUT

GRID: dict[str, tuple[float, ...]] = {
    "motion_length": (5, 9, 15, 21, 31, 41),
    "blur_sigma": (1, 2, 4, 7, 10),
    "downsample": (2, 4, 8, 16),
    "noise": (2, 5, 10, 25, 50),
    "jpeg": (90, 60, 30, 15),
}
SHOWN = {"psnr": "PSNR, dB", "ssim": "SSIM"}  # in curves; the table holds every metric


def grid_protocols() -> dict[str, Distribution]:
    """One protocol a point of the grid, by name, for example "noise 25"; motion blur takes any direction."""
    return {
        f"{setting} {value:g}": Distribution(**{setting: (value, value)}, anisotropic=0.0)  # type: ignore[arg-type]
        for setting, values in GRID.items()
        for value in values
    }


def write_grid(runs: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write ``severity.csv`` and, for each set, ``severity_SET.png``.

    Args:
        runs: summaries of every point and set: set, protocol (a name of ``grid_protocols``), images and methods.
        folder: must exist.
    """
    with (folder / "severity.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "degradation", "severity", "images", "method", "metric", "mean", "ci95"])
        for run in runs:
            point = [run["set"], *run["protocol"].split(" "), run["images"]]
            for method, metrics in run["methods"].items():
                writer.writerows([*point, method, metric, x["mean"], x["ci95"]] for metric, x in metrics.items())
    for name in dict.fromkeys(run["set"] for run in runs):
        points = {run["protocol"]: run["methods"] for run in runs if run["set"] == name}
        _plot(points, folder / f"severity_{name}.png")


def _plot(points: dict[str, Any], path: Path) -> None:
    """A column a degradation, a row a metric, a line a method with its 95 % interval."""
    figure, axes = plt.subplots(len(SHOWN), len(GRID), figsize=(3.2 * len(GRID), 5.6), layout="constrained")
    for column, (setting, values) in zip(axes.T, GRID.items(), strict=True):
        found = [points[f"{setting} {value:g}"] for value in values]
        unit = "" if setting == "jpeg" else f", {LIMITS[setting].unit}"
        for axis, (metric, label) in zip(column, SHOWN.items(), strict=True):
            for method in found[0]:
                means, halves = ([point[method][metric][key] for point in found] for key in ("mean", "ci95"))
                style = "--" if method == INPUT else "-"
                axis.errorbar(values, means, halves, fmt=style, marker=".", linewidth=1.2, capsize=2, label=method)
            axis.set(xlabel=LIMITS[setting].label + unit, ylabel=label)
            axis.grid(alpha=0.3)
            if setting == "jpeg":  # worse to the right, as everywhere
                axis.invert_xaxis()
    axes[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
