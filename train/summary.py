"""Scores of many faces put together: means with confidence intervals, and tables of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from restoration.faces import FACE_SIZE
from restoration.measure.metrics import Scores

INPUT, RESTORED = "degraded input", "restored"
PSNR_CAP = 60.0  # dB; an exact picture has an infinite PSNR, and then no mean
METRICS = {"psnr": 2, "ssim": 4, "identity_angle": 1}  # name -> digits in tables
RATIO = "identity_ratio"  # of the mean angle to that of the degraded input
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
    """method -> metric -> mean and interval; of every method but the input also ``RATIO``, where it was measured."""
    columns = {method: metric_values([row[method] for row in per_image]) for method in per_image[0]}
    result = {method: {name: summary(x) for name, x in metrics.items()} for method, metrics in columns.items()}
    before = columns[INPUT].get("identity_angle", [])
    if any(before):
        whole = statistics.fmean(before)
        for method in columns.keys() - {INPUT}:
            after = columns[method]["identity_angle"]
            ratio = statistics.fmean(after) / whole
            # The interval is that of a ratio of means, to first order.
            result[method][RATIO] = summary(
                [ratio + (a - ratio * b) / whole for a, b in zip(after, before, strict=True)]
            )
    return result


def against(per_image: Sequence[dict[str, Scores]]) -> dict[str, Summary]:
    """Every method but the restored -> by how much the restored face is above it in PSNR, face by face.

    Returns:
        mean and ci95 in dB, and ``share``: of the faces on which it is above, [0, 1]. Empty where nothing was restored.
    """
    columns = {method: metric_values([row[method] for row in per_image])["psnr"] for method in per_image[0]}
    restored = columns.pop(RESTORED, None)
    if restored is None:
        return {}
    gains = {method: [a - b for a, b in zip(restored, other, strict=True)] for method, other in columns.items()}
    return {name: {**summary(x), "share": statistics.fmean(gain > 0 for gain in x)} for name, x in gains.items()}


def markdown(results: dict[str, Any]) -> str:
    """One table a protocol and set; the degraded input is always a row, differences and ratios are against it."""
    lines = [f"Weights: {results['weights']['name']}. Identity network: {results['identity'] or 'none'}.", ""]
    for run in results["runs"]:
        side = run.get("side", FACE_SIZE)
        at = "" if side == FACE_SIZE else f", PSNR and SSIM at {side}×{side} pixels"
        lines += [
            f"**{run['set']}, {run['protocol']}** ({run['images']} images{at})",
            "",
            "| method | PSNR, dB | SSIM | identity angle, degrees | the restored face is above it by, dB |",
            "|---|---|---|---|---|",
        ]
        for method, metrics in run["methods"].items():
            cells = []
            for metric, digits in METRICS.items():
                cell = with_interval(metrics.get(metric), digits)
                if method != INPUT and metric in metrics:
                    gain = metrics[metric]["mean"] - run["methods"][INPUT][metric]["mean"]
                    times = (
                        f", ×{metrics[RATIO]['mean']:.2f}" if metric == "identity_angle" and RATIO in metrics else ""
                    )
                    cell += f" ({gain:+.{digits}f}{times})"
                cells.append(cell)
            if above := run.get("against", {}).get(method):
                cells.append(f"{with_interval(above, 2, '+')}, on {above['share']:.0%} of the faces")
            lines.append(f"| {method} | {' | '.join(cells)} |")
        lines.append("")
        lines += [line for grouping in run.get("groupings", []) for line in _grouping(run, grouping)]
    return "\n".join(lines)


def with_interval(value: Summary | None, digits: int, sign: str = "") -> str:
    """Mean ± half-width, rounded."""
    return f"{value['mean']:{sign}.{digits}f} ± {value['ci95']:.{digits}f}" if value else "not measured"


def _grouping(run: dict[str, Any], grouping: dict[str, Any]) -> list[str]:
    method = grouping["method"]
    lines = [
        f"{run['set']}, {run['protocol']}, **by {grouping['by']}**: {method}, and what it gains over the {INPUT}",
        "",
        "| group | images | PSNR, dB | gain | SSIM | gain | identity angle | gain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = [(group["name"], group["images"], group["methods"][method], group["gain"]) for group in grouping["groups"]]
    gaps = [
        {metric: {"mean": gap["gap"], "ci95": gap["ci95"]} for metric, gap in grouping[which].items()}
        for which in ("gap", "gap_of_gain")
    ]
    for name, images, own, gain in [*rows, ("gap, best to worst", "", *gaps)]:
        cells = []
        for metric, digits in METRICS.items():
            cells += [with_interval(own.get(metric), digits)]
            cells += [with_interval(gain.get(metric), digits, "+" if images else "")]
        lines.append(f"| {name} | {images} | {' | '.join(cells)} |")
    return [*lines, ""]
