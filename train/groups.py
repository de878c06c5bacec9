"""Is a restorer as good for everybody?  The same scores by group of faces, and the gap from best to worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from restoration.images import to_image
from restoration.measure.metrics import Scores
from restoration.measure.regions import skin_lightness
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
    third = np.empty(len(faces), int)
    third[lightness.argsort(kind="stable")] = np.arange(len(faces)) * 3 // len(faces)
    names = {
        index: f"{word} third, L* {lightness[third == index].min():.0f}–{lightness[third == index].max():.0f}"
        for index, word in enumerate(THIRDS)
        if (third == index).any()
    }
    return [names[index] for index in third]


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
    result = []
    by_light = lightness_groups(faces)
    dark_first = sorted(set(by_light), key=lambda name: THIRDS.index(name.split()[0]))
    folders = folder_groups(faces)
    for by, labels, names in (("folder", folders, sorted(set(folders))), ("skin lightness", by_light, dark_first)):
        members = {name: [i for i, label in enumerate(labels) if label == name] for name in names}
        members = {name: indices for name, indices in members.items() if len(indices) >= MIN_GROUP}
        if len(members) < 2:
            continue
        method = list(per_image[0])[-1]
        groups = [_group(name, [per_image[i] for i in indices], method) for name, indices in members.items()]
        result.append(
            {
                "by": by,
                "method": method,
                "groups": groups,
                "gap": _gaps({group["name"]: group["methods"][method] for group in groups}),
                "gap_of_gain": _gaps({group["name"]: group["gain"] for group in groups}),
            }
        )
    return result


def _group(name: str, rows: Sequence[dict[str, Scores]], method: str) -> dict[str, Any]:
    before, after = (metric_values([row[which] for row in rows]) for which in (INPUT, method))
    gains = {
        metric: summary([a - b for a, b in zip(after[metric], before[metric], strict=True)])
        for metric in after.keys() & before.keys()
    }
    return {"name": name, "images": len(rows), "methods": summarise(rows), "gain": dict(sorted(gains.items()))}


def _gaps(groups: dict[str, dict[str, Summary]]) -> dict[str, dict[str, Any]]:
    """metric -> who is best, who is worst, and how far they are apart."""
    result = {}
    for metric, higher in HIGHER_IS_BETTER.items():
        if not all(metric in metrics for metrics in groups.values()):
            continue
        order = sorted(groups, key=lambda name: groups[name][metric]["mean"], reverse=higher)
        best, worst = groups[order[0]][metric], groups[order[-1]][metric]
        result[metric] = {
            "best": order[0],
            "worst": order[-1],
            "gap": abs(best["mean"] - worst["mean"]),
            "ci95": math.hypot(best["ci95"], worst["ci95"]),
        }
    return result
