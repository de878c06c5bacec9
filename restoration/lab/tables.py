"""How are measurements written down?  One table a comparison or a sweep, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from restoration.lab.comparison import Gain, Row, gain
from restoration.lab.sweep import Point
from restoration.measure.metrics import Scores

METRICS = ("psnr_db", "ssim", "identity_angle_deg")
GAINS = tuple(f"gain_{name}" for name in METRICS)


def comparison_csv(rows: Iterable[Row]) -> str:
    """One line a picture: the degraded input first, then every method that had something to undo.

    Convention:
        - four decimals; "inf" where a picture equals the truth; empty where nothing was measured
        - gains are method minus degraded input; "worse" names the metrics by which the method is worse

    Returns:
        CSV with a header, lines ended by one newline character.
    """
    lines = []
    for row in rows:
        lines.append([row.label, "Degraded input", *_scores(row.degraded.scores), "", "", "", ""])
        for method, cell in row.cells.items():
            change = row.gain(method)
            if cell is not None and change is not None:
                worse = " ".join(change.worse)
                lines.append([row.label, method, *_scores(cell.scores), *_gains(change), worse])
    return _csv(["degradation", "method", *METRICS, *GAINS, "worse"], lines)


def sweep_csv(points: Iterable[Point], x: str, y: str | None) -> str:
    """One line a point: where it lies, the scores before and after, and whether the network was trained there.

    Args:
        x, y: names of the swept settings; y None for one alone.

    Returns:
        CSV as ``comparison_csv``'s.
    """
    names = [x] if y is None else [x, y]
    lines = [
        [
            *(f"{getattr(point.settings, name):g}" for name in names),
            "yes" if point.trained else "no",
            *_scores(point.before),
            *_scores(point.after),
            *_gains(gain(point.before, point.after)),
        ]
        for point in points
    ]
    stages = [f"{stage}_{name}" for stage in ("degraded", "restored") for name in METRICS]
    return _csv([*names, "trained", *stages, *GAINS], lines)


def _scores(scores: Scores) -> list[str]:
    return [_number(scores.psnr), _number(scores.ssim), _number(scores.identity_angle)]


def _gains(change: Gain) -> list[str]:
    return [_number(change.psnr), _number(change.ssim), _number(change.identity_angle)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _csv(header: list[str], lines: list[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()
