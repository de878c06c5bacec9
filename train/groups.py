"""Whether a restorer is as good for everybody: the same scores by group of faces, and the gap from best to worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from restoration.images import to_image
from restoration.measure.faithfulness import skin_lightness
from restoration.measure.metrics import Scores
from train.data import Faces
from train.summary import INPUT, Summary, metric_values, summarise, summary

MIN_GROUP = 5  # faces; a mean of fewer says nothing about a group
THIRDS = ("darkest", "middle", "lightest")
HIGHER_IS_BETTER = {"psnr": True, "ssim": True, "identity_angle": False}


def folder_groups(faces: Faces) -> list[str]:
    """The first folder in the name of each face: who arranged the folders named the groups."""
    return [name.partition("/")[0] if "/" in name else "." for name in faces.names]


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
    """Results by folder and by skin lightness, ready for JSON.

    Args:
        faces: the set.
        per_image: scores of every method, in the faces' order; the last method is the one whose gaps are reported.

    Returns:
        One entry a way of grouping that has at least two groups of ``MIN_GROUP`` faces (smaller groups are left out):

            by            "folder" or "skin lightness"
            method        the method of the gaps, "restored"
            groups        a list of {name, images, methods: method -> metric -> {mean, ci95},
                          gain: metric -> {mean, ci95} of the method minus the degraded input, face by face}
            gap           metric -> {best, worst (names of groups), gap (>= 0), ci95}, of the method
            gap_of_gain   the same of ``gain``

        The interval of a gap takes the two groups as independent; that the best and the worst of several groups were
        picked is not in it.
    """
    result, method = [], list(per_image[0])[-1]
    for by, labels in (("folder", folder_groups(faces)), ("skin lightness", lightness_groups(faces))):
        members = {
            name: [row for row, label in zip(per_image, labels, strict=True) if label == name] for name in labels
        }
        names = sorted(members, key=lambda name: (*(not name.startswith(word) for word in THIRDS), name))
        groups = [_group(name, members[name], method) for name in names if len(members[name]) >= MIN_GROUP]
        if len(groups) > 1:
            own, gain = ({g["name"]: g[key] for g in groups} for key in ("methods", "gain"))
            gaps = {"gap": _gaps({name: methods[method] for name, methods in own.items()}), "gap_of_gain": _gaps(gain)}
            result.append({"by": by, "method": method, "groups": groups, **gaps})
    return result


def _group(name: str, rows: Sequence[dict[str, Scores]], method: str) -> dict[str, Any]:
    before, after = (metric_values([row[which] for row in rows]) for which in (INPUT, method))
    gain = {
        metric: summary([a - b for a, b in zip(after[metric], before[metric], strict=True)])
        for metric in HIGHER_IS_BETTER
        if metric in after and metric in before
    }
    return {"name": name, "images": len(rows), "methods": summarise(rows), "gain": gain}


def _gaps(groups: dict[str, dict[str, Summary]]) -> dict[str, dict[str, Any]]:
    """metric -> who is best, who is worst, and how far they are apart."""
    result = {}
    for metric, higher in HIGHER_IS_BETTER.items():
        if all(metric in metrics for metrics in groups.values()):
            best, *_, worst = sorted(groups, key=lambda name: groups[name][metric]["mean"], reverse=higher)
            ends = groups[best][metric], groups[worst][metric]
            gap = {"gap": abs(ends[0]["mean"] - ends[1]["mean"]), "ci95": math.hypot(*(end["ci95"] for end in ends))}
            result[metric] = {"best": best, "worst": worst, **gap}
    return result
