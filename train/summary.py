"""How are scores of many faces put together?  Means with confidence intervals, and tables of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from restoration.faces.alignment import FACE_SIZE
from restoration.measure.metrics import Scores

INPUT = "degraded input"
PSNR_CAP = 60.0  # dB; an exact picture has an infinite PSNR, and then no mean
METRICS = {"psnr": 2, "ssim": 4, "identity_angle": 1}  # name -> digits in tables
Summary = dict[str, float]  # mean, ci95


def summary(values: Sequence[float]) -> Summary:
    """Mean and half the width of its 95 % confidence interval (normal approximation) over images."""
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return {"mean": statistics.fmean(values), "ci95": 1.96 * spread / math.sqrt(len(values))}


def metric_values(rows: Sequence[Scores]) -> dict[str, list[float]]:
    """metric -> its value for every row, PSNR capped; a metric that some row lacks is left out."""
    columns = {name: [getattr(row, name) for row in rows] for name in METRICS}
    columns["psnr"] = [min(value, PSNR_CAP) for value in columns["psnr"]]
    return {name: values for name, values in columns.items() if None not in values}


def summarise(per_image: Sequence[dict[str, Scores]]) -> dict[str, dict[str, Summary]]:
    """method -> metric -> mean and interval."""
    return {
        method: {name: summary(values) for name, values in metric_values([row[method] for row in per_image]).items()}
        for method in per_image[0]
    }


def markdown(results: dict[str, Any]) -> str:
    """One table a protocol and set; the degraded input is always a row, differences are against it."""
    lines = [f"Weights: {results['weights']['name']}. Identity network: {results['identity'] or 'none'}.", ""]
    for run in results["runs"]:
        lines += [
            f"**{run['set']}, {run['protocol']}** ({run['images']} images{_at(run)})",
            "",
            "| method | PSNR, dB | SSIM | identity angle, degrees |",
            "|---|---|---|---|",
        ]
        base = run["methods"][INPUT]
        for method, metrics in run["methods"].items():
            cells = []
            for metric, digits in METRICS.items():
                if metric not in metrics:
                    cells.append("not measured")
                    continue
                mean = metrics[metric]["mean"]
                gain = "" if method == INPUT else f" ({mean - base[metric]['mean']:+.{digits}f})"
                cells.append(f"{with_interval(metrics[metric], digits)}{gain}")
            lines.append(f"| {method} | {' | '.join(cells)} |")
        lines.append("")
        lines += [line for grouping in run.get("groupings", []) for line in _grouping(run, grouping)]
    return "\n".join(lines)


def _at(run: dict[str, Any]) -> str:
    side = run.get("side", FACE_SIZE)
    return "" if side == FACE_SIZE else f", PSNR and SSIM at {side}×{side} pixels"


def with_interval(value: Summary, digits: int) -> str:
    """Mean ± half-width, rounded."""
    return f"{value['mean']:.{digits}f} ± {value['ci95']:.{digits}f}"


def _grouping(run: dict[str, Any], grouping: dict[str, Any]) -> list[str]:
    method = grouping["method"]
    lines = [
        f"{run['set']}, {run['protocol']}, **by {grouping['by']}**: {method}, and what it gains over the {INPUT}",
        "",
        "| group | images | PSNR, dB | gain | SSIM | gain | identity angle | gain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for group in grouping["groups"]:
        cells = []
        for metric, digits in METRICS.items():
            if metric in group["gain"]:
                cells += [with_interval(group["methods"][method][metric], digits)]
                cells += [f"{group['gain'][metric]['mean']:+.{digits}f} ± {group['gain'][metric]['ci95']:.{digits}f}"]
            else:
                cells += ["not measured", ""]
        lines.append(f"| {group['name']} | {group['images']} | {' | '.join(cells)} |")
    cells = []
    for metric, digits in METRICS.items():
        for gaps in (grouping["gap"], grouping["gap_of_gain"]):
            cells.append(
                with_interval({"mean": gaps[metric]["gap"], "ci95": gaps[metric]["ci95"]}, digits)
                if metric in gaps
                else ""
            )
    return [*lines, f"| gap, best to worst | | {' | '.join(cells)} |", ""]
