"""Scores of many faces put together: means with confidence intervals, by group of faces, and tables of them."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restoration.faces import FACE_SIZE
from restoration.images import to_image
from restoration.measure import Scores
from restoration.measure.faithfulness import skin_lightness
from train.data import Faces

INPUT, RESTORED = "degraded input", "restored"
PSNR_CAP = 60.0  # dB; an exact picture has an infinite PSNR, and then no mean
METRICS = {"psnr": 2, "ssim": 4, "identity_angle": 1}  # name -> digits in tables
RATIO = "identity_ratio"  # of the mean angle to that of the degraded input
Summary = dict[str, float]  # mean, ci95
Column = NDArray[np.float64]
MIN_GROUP = 5  # faces; a mean of fewer says nothing about a group
THIRDS = ("darkest", "middle", "lightest")


def summary(values: ArrayLike) -> Summary:
    """Mean and half the width of its 95 % confidence interval (normal approximation) over images; NaN of one image."""
    x = np.asarray(values, np.float64)
    spread = x.std(ddof=1) if len(x) > 1 else math.nan
    return {"mean": float(x.mean()), "ci95": float(1.96 * spread / math.sqrt(len(x)))}


def columns(per_image: Sequence[dict[str, Scores]]) -> dict[str, dict[str, Column]]:
    """method -> metric -> its value for every image, PSNR capped."""
    result = {}
    for method in per_image[0]:
        result[method] = {name: np.array([getattr(row[method], name) for row in per_image]) for name in METRICS}
        result[method]["psnr"] = np.minimum(result[method]["psnr"], PSNR_CAP)
    return result


def summarise(per_image: Sequence[dict[str, Scores]]) -> dict[str, dict[str, Summary]]:
    """method -> metric -> mean and interval; of every method but the input also ``RATIO``."""
    found = columns(per_image)
    result = {method: {name: summary(x) for name, x in metrics.items()} for method, metrics in found.items()}
    before = found[INPUT]["identity_angle"]
    if before.any():
        for method in found.keys() - {INPUT}:
            after = found[method]["identity_angle"]
            ratio = after.mean() / before.mean()
            # The interval is that of a ratio of means, to first order.
            result[method][RATIO] = summary(ratio + (after - ratio * before) / before.mean())
    return result


def against(per_image: Sequence[dict[str, Scores]]) -> dict[str, Summary]:
    """Every method but the restored -> by how much the restored face is above it in PSNR, face by face: mean and ci95,
    dB, and ``share``: of the faces on which it is above, [0, 1]. Empty where nothing was restored."""
    found = {method: metrics["psnr"] for method, metrics in columns(per_image).items()}
    if (best := found.pop(RESTORED, None)) is None:
        return {}
    return {name: {**summary(best - x), "share": float((best > x).mean())} for name, x in found.items()}


def lightness_groups(faces: Faces) -> list[str]:
    """Thirds by the median CIELAB L* of the clean face's skin, named by their range.

    L* depends on the light of the photo as well as on the skin: these are groups of pictures, not of people.
    """
    lightness = np.array([skin_lightness(to_image(faces.clean([index]))) for index in range(len(faces))])
    result = [""] * len(faces)
    for word, third in zip(THIRDS, np.array_split(lightness.argsort(kind="stable"), 3), strict=True):
        for index in third:
            result[index] = f"{word} third, L* {lightness[third].min():.0f}–{lightness[third].max():.0f}"
    return result


def groupings(faces: Faces, per_image: Sequence[dict[str, Scores]]) -> list[dict[str, Any]]:
    """Results by folder and by skin lightness, ready for JSON, where there are two groups of ``MIN_GROUP`` faces.

    Args:
        per_image: scores of every method, in the faces' order; the last method is the one whose gaps are reported.

    Returns:
        An entry a way of grouping:

            by, method    "folder" or "skin lightness"; the method of the gaps
            groups        a list of {name, images, methods: method -> metric -> {mean, ci95},
                          gain: metric -> {mean, ci95} of the method minus the degraded input, face by face}
            gap           metric -> {best, worst (names of groups), gap (>= 0), ci95}, of the method, the groups taken
                          as independent; that two of several were picked is not in the interval
            gap_of_gain   the same of ``gain``
    """
    result, method = [], list(per_image[0])[-1]
    folders = [str(Path(name).parent).partition("/")[0] for name in faces.names]
    for by, labels in (("folder", folders), ("skin lightness", lightness_groups(faces))):
        members: dict[str, list[dict[str, Scores]]] = {name: [] for name in labels}
        for row, label in zip(per_image, labels, strict=True):
            members[label].append(row)
        names = sorted(members, key=lambda name: (*(not name.startswith(word) for word in THIRDS), name))
        groups: list[dict[str, Any]] = []
        for name in names:
            if len(rows := members[name]) >= MIN_GROUP:
                found = columns(rows)
                gain = {metric: summary(found[method][metric] - found[INPUT][metric]) for metric in METRICS}
                groups.append({"name": name, "images": len(rows), "methods": summarise(rows), "gain": gain})
        if len(groups) > 1:
            own, gained = ({g["name"]: g[key] for g in groups} for key in ("methods", "gain"))
            gaps = _gaps({name: methods[method] for name, methods in own.items()})
            result.append({"by": by, "method": method, "groups": groups, "gap": gaps, "gap_of_gain": _gaps(gained)})
    return result


def _gaps(groups: dict[str, dict[str, Summary]]) -> dict[str, dict[str, Any]]:
    """metric -> who is best, who is worst, and how far they are apart."""
    result = {}
    for metric in METRICS:
        higher = metric != "identity_angle"  # is better
        best, *_, worst = sorted(groups, key=lambda name: groups[name][metric]["mean"], reverse=higher)
        ends = groups[best][metric], groups[worst][metric]
        gap = {"gap": abs(ends[0]["mean"] - ends[1]["mean"]), "ci95": math.hypot(*(end["ci95"] for end in ends))}
        result[metric] = {"best": best, "worst": worst, **gap}
    return result


def write_csv(path: Path, *rows: Sequence[object]) -> None:
    """Write rows, the first of which is the header."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def table(*rows: Sequence[object]) -> list[str]:
    """Lines of Markdown; the first row is the header."""
    header, *body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return [header, "|---" * len(rows[0]) + "|", *body]


def markdown(results: dict[str, Any]) -> str:
    """One table a protocol and set; the degraded input is always a row, differences and ratios are against it."""
    lines = [f"Weights: {results['weights']['name']}. Identity network: {results['identity']}.", ""]
    above = "the restored face is above it by, dB"
    for run in results["runs"]:
        side = run.get("side", FACE_SIZE)
        at = "" if side == FACE_SIZE else f", PSNR and SSIM at {side}×{side} pixels"
        rows = [["method", "PSNR, dB", "SSIM", "identity angle, degrees", above]]
        for method, metrics in run["methods"].items():
            rows.append([method])
            for metric, digits in METRICS.items():
                gain = metrics[metric]["mean"] - run["methods"][INPUT][metric]["mean"]
                ratio = metric == "identity_angle" and RATIO in metrics
                times = f", ×{metrics[RATIO]['mean']:.2f}" if ratio else ""
                told = "" if method == INPUT else f" ({gain:+.{digits}f}{times})"
                rows[-1].append(with_interval(metrics[metric], digits) + told)
            if gained := run.get("against", {}).get(method):
                rows[-1].append(f"{with_interval(gained, 2, '+')}, on {gained['share']:.0%} of the faces")
        lines += [f"**{run['set']}, {run['protocol']}** ({run['images']} images{at})", "", *table(*rows), ""]
        for grouping in run.get("groupings", []):
            lines += _grouping(run, grouping)
    return "\n".join(lines)


def with_interval(value: Summary, digits: int, sign: str = "") -> str:
    """Mean ± half-width, rounded; the mean alone where one image gives no interval."""
    return f"{value['mean']:{sign}.{digits}f}" + ("" if math.isnan(value["ci95"]) else f" ± {value['ci95']:.{digits}f}")


def _grouping(run: dict[str, Any], grouping: dict[str, Any]) -> list[str]:
    method = grouping["method"]
    rows: list[list[object]] = [["group", "images", "PSNR, dB", "gain", "SSIM", "gain", "identity angle", "gain"]]
    gaps = [
        {metric: {"mean": gap["gap"], "ci95": gap["ci95"]} for metric, gap in grouping[which].items()}
        for which in ("gap", "gap_of_gain")
    ]
    groups = [(group["name"], group["images"], group["methods"][method], group["gain"]) for group in grouping["groups"]]
    for name, images, own, gain in [*groups, ("gap, best to worst", "", *gaps)]:
        rows.append([name, images])
        for metric, digits in METRICS.items():
            sign = "+" if images else ""
            rows[-1] += [with_interval(own[metric], digits), with_interval(gain[metric], digits, sign)]
    title = f"{run['set']}, {run['protocol']}, **by {grouping['by']}**: {method}, and what it gains over the {INPUT}"
    return [title, "", *table(*rows), ""]
