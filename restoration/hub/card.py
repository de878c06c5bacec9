"""What does a model's page on the Hub say?  A model card made from the facts beside the weights, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from restoration.degrade.degradations import LIMITS
from restoration.hub.folders import without_folders
from restoration.network.checkpoint import Weights, WeightsError

PICTURE = "picture.png"
INPUT = "degraded input"
METRICS = {"psnr": ("PSNR, dB", 2, 1), "ssim": ("SSIM", 4, 1), "identity_angle": ("identity angle, degrees", 1, -1)}
MARK = "<!-- Made by restoration.hub.card from the files beside it; sha256 of the text before this line: {} -->\n"
TAGS = ["face-restoration", "image-restoration", "deblurring", "denoising", "super-resolution", "u-net", "pytorch"]


def model_card(repo_id: str, weights: Weights, evaluation: dict[str, Any] | None, picture: str) -> str:
    """The card as Markdown with its front matter; the same facts give the same text.

    Args:
        repo_id: ``owner/name`` on the Hub.
        weights: what is published.
        evaluation: what ``train/evaluate.py`` wrote about them; None is said plainly.
        picture: what can be seen on ``PICTURE``, a sentence of Markdown.

    Raises:
        WeightsError: the evaluation is of other weights, or not such a file.
    """
    weights = dataclasses.replace(weights, training=without_folders(weights.training))
    if evaluation is None:
        return _card(repo_id, weights, None, picture)
    try:
        _check_evaluation(weights, evaluation)
        return _card(repo_id, weights, evaluation, picture)
    except WeightsError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:  # `weights` are checked
        raise WeightsError("evaluation.json is not what train/evaluate.py writes. Write it again.") from error


def _card(repo_id: str, weights: Weights, evaluation: dict[str, Any] | None, picture: str) -> str:
    training = weights.training
    runs = evaluation["runs"] if evaluation else []
    name = _text(training["name"])
    sections = (
        f"# {name}\n\nA U-Net of {weights.model.parameter_count() / 1e6:.1f} M parameters that restores the face in a "
        "blurred, noisy, small or compressed photo. It is faithful rather than inventive: it does not paint detail "
        "that the input does not hold.",
        f"![From left to right: a face, the same face degraded, and its restoration]({PICTURE})\n\n{picture}",
        "## What it is for\n\nLooking at old, small or noisy photos of faces again; studying what a degradation takes "
        "away and what a restoration can bring back.\n\n**Not for** identifying anybody, evidence, surveillance or "
        "any decision about a person: a restored face is an estimate, and it can be wrong where it looks right.",
        "## Results\n\n" + _results(evaluation, runs),
        "## Limits\n\n" + _limits(training, runs),
        "## The same for everybody?\n\n" + _groups(runs),
        "## Data and licences\n\n" + _data(training),
        "## Training\n\n" + _recipe(training),
        "## How to load it\n\nFrom the root of the repository that made it:\n\n```python\n"
        "from restoration import Restorer, read_image, write_png\n\n"
        f'restorer = Restorer.from_pretrained("{repo_id}")  # or, pinned: revision="v1" or a commit\n'
        'write_png(restorer.restore_aligned(read_image("face.png")), "restored.png")  # aligned, 512x512\n```\n\n'
        f"The page takes it with `RESTORATION_MODEL={repo_id}`. Loading is strict: checksums (`SHA256SUMS`), every "
        "key and shape, and a golden output are checked; no pickle is opened.",
    )
    text = f"---\n{_front_matter(training, evaluation)}\n---\n\n" + "\n\n".join(sections) + "\n\n"
    return text + MARK.format(hashlib.sha256(text.encode()).hexdigest())


def is_generated(card: str) -> bool:
    """Whether a card is ``model_card``'s, unchanged: a person who edited it owns it."""
    text, _, _ = card.rpartition(MARK.partition("{")[0])
    return card == text + MARK.format(hashlib.sha256(text.encode()).hexdigest())


def _check_evaluation(weights: Weights, evaluation: dict[str, Any]) -> None:
    about = evaluation["weights"]
    complete = all(INPUT in run["methods"] and run["protocol"] and run["set"] for run in evaluation["runs"])
    values = [value for run in evaluation["runs"] for method in run["methods"].values() for value in method.values()]
    for value in values:
        math.isfinite(value["mean"] + value["ci95"])  # two numbers, or TypeError
    if not complete:
        raise WeightsError(f"evaluation.json lacks the {INPUT}, without which no result means anything.")
    if about.get("fingerprint") != weights.fingerprint:
        raise WeightsError(
            f"evaluation.json is about {about['name']!r}, fingerprint {about.get('fingerprint', 'not recorded')}, not "
            f"about these weights, {weights.fingerprint}. Run train/evaluate.py --weights FOLDER --out FOLDER again."
        )


def _front_matter(training: dict[str, Any], evaluation: dict[str, Any] | None) -> str:
    known = re.fullmatch(r"[a-z0-9.+-]+", training["license"])
    ids = [row["id"] for row in training.get("datasets", []) if row.get("id")]
    results = []
    for run in evaluation["runs"] if evaluation else []:
        for metric, value in run["methods"].get("restored", {}).items():
            if metric in METRICS and math.isfinite(value["mean"]):
                label, digits, _ = METRICS[metric]
                base = run["methods"][INPUT][metric]["mean"]
                results.append(
                    EvalResult(
                        task_type="image-to-image",
                        task_name="Face restoration",
                        dataset_type=re.sub(r"[^\w.-]+", "-", run["set"]),
                        dataset_name=f"{run['set']}, protocol {run['protocol']}, {run['images']} images",
                        dataset_config=run["protocol"],
                        metric_type=metric,
                        metric_name=f"{label} ({INPUT}: {base:.{digits}f})",
                        metric_value=round(value["mean"], digits),
                    )
                )
    data = ModelCardData(
        license=training["license"] if known else "other",
        license_name=None if known else training["license"],
        tags=TAGS,
        pipeline_tag="image-to-image",
        library_name="pytorch",
        datasets=ids or None,
        model_name=training["name"] if results else None,
        eval_results=results or None,
    )
    return data.to_yaml(line_break="\n")


def _results(evaluation: dict[str, Any] | None, runs: Sequence[dict[str, Any]]) -> str:
    if evaluation is None:
        return "Not measured: nothing is known about how good these weights are."
    parts = [
        f"Mean ± half of the 95 % confidence interval over images; in brackets the difference to the {INPUT}, which is "
        "the first row of every table. Identity is the angle between embeddings of "
        f"{_text(evaluation['identity'] or 'no network: not measured')}. All numbers are in `evaluation.json`."
    ]
    for run in runs:
        base = run["methods"][INPUT]
        rows = []
        for method, metrics in run["methods"].items():
            cells = [method]
            for metric, (_, digits, _) in METRICS.items():
                gain = metrics[metric]["mean"] - base[metric]["mean"] if metric in metrics else 0
                change = f" ({gain:+.{digits}f})" if metric in metrics and method != INPUT else ""
                cells.append(_mean(metrics.get(metric), digits) + change)
            rows.append(cells)
        title = f"**{_text(run['set'])}, protocol {_text(run['protocol'])}**, {run['images']} images"
        parts.append(f"{title}\n\n{_table(['method', *(label for label, _, _ in METRICS.values())], rows)}")
    return "\n\n".join(parts)


def _limits(training: dict[str, Any], runs: Sequence[dict[str, Any]]) -> str:
    spans = []
    for name in (name for name in LIMITS if name in training["ranges"]):
        (low, high), limit = training["ranges"][name], LIMITS[name]
        unit = "" if limit.unit in limit.label else f" {limit.unit}"
        spans.append(f"{limit.label} {low:g} to {high:g}{unit}")
    lines = [
        f"Trained on: {'; '.join(spans)}. Anything outside is a guess.",
        "One upright face, aligned to the 512×512 FFHQ template. What the input does not hold stays soft.",
    ]
    for run in runs:
        restored = run["methods"].get("restored", {})
        for other, metrics in run["methods"].items():
            for metric, (label, digits, better) in METRICS.items():
                if other == "restored" or metric not in restored or metric not in metrics:
                    continue
                loss = (metrics[metric]["mean"] - restored[metric]["mean"]) * better
                if round(loss, digits) > 0:
                    lines.append(
                        f"Worse than the {other} on {_text(run['set'])}, protocol {_text(run['protocol'])}, in "
                        f"{label.partition(',')[0]}: by {loss:.{digits}f}."
                    )
    return "\n".join(f"- {line}" for line in lines)


def _groups(runs: Iterable[dict[str, Any]]) -> str:
    parts = []
    for run in runs:
        for grouping in run.get("groupings", []):
            rows = []
            for group in grouping["groups"]:
                cells = [group["name"], str(group["images"])]
                for metric, (_, digits, _) in METRICS.items():
                    gain = group["gain"].get(metric)
                    cells += [_mean(group["methods"][grouping["method"]].get(metric), digits), _mean(gain, digits)]
                rows.append(cells)
            cells = ["**gap, best to worst**", ""]
            for metric, (_, digits, _) in METRICS.items():
                for gaps in (grouping["gap"], grouping["gap_of_gain"]):
                    value = gaps.get(metric)
                    cells.append(_mean({"mean": value["gap"], "ci95": value["ci95"]} if value else None, digits))
            heads = [cell for label, _, _ in METRICS.values() for cell in (label, "gain")]
            parts.append(
                f"**{_text(run['set'])}, protocol {_text(run['protocol'])}, by {_text(grouping['by'])}**: "
                f"{_text(grouping['method'])}, and the gain over the {INPUT}\n\n"
                + _table(["group", "images", *heads], [*rows, cells])
            )
    return "\n\n".join(parts) or "Not measured: no results by group of people or of pictures are known."


def _data(training: dict[str, Any]) -> str:
    folders, faces = training.get("data"), training.get("training_faces")
    lines = [f"Trained on {faces:,} faces." if faces else "How many faces it was trained on is not recorded."]
    if folders:
        lines[0] += f" Folders, as they were named: {'; '.join(map(_text, folders))}."
    datasets = training.get("datasets")
    if datasets:
        lines.append(_table(["data", "licence"], [[row["name"], row["license"]] for row in datasets]))
    else:
        lines.append("Where those faces come from, and under which licences, is not recorded.")
    lines.append(f"**Licence of the weights: {_text(training['license'])}.**")
    return "\n\n".join(lines)


def _recipe(training: dict[str, Any]) -> str:
    config = training.get("config", {})
    rows = [[key, value] for key, value in config.items() if not isinstance(value, dict) and value is not None]
    seconds = training.get("seconds")
    facts = [
        f"{training.get('step', 'An unknown number of')} steps",
        f"{seconds / 60:.0f} minutes" if isinstance(seconds, (int, float)) else "time not recorded",
        f"on {training.get('hardware', 'hardware that is not recorded')}",
        f"torch {training.get('torch', 'of an unknown version')}",
    ]
    stages = [key for key, value in training.items() if key.startswith("stage") and isinstance(value, dict)]
    earlier = f" Earlier stages: {', '.join(stages)}, in `training.json`." if stages else ""
    table = f"\n\n{_table(['setting', 'value'], rows)}" if rows else ""
    return f"{_text(', '.join(facts))}.{earlier} Logs and curves, where there are any, lie beside this file.{table}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_text(cell) for cell in line)} |" for line in lines)


def _mean(value: dict[str, float] | None, digits: int) -> str:
    if value is None:
        return "not measured"
    half = f" ± {value['ci95']:.{digits}f}" if math.isfinite(value["ci95"]) else ""
    return f"{value['mean']:.{digits}f}{half}"


def _text(value: Any) -> str:
    """Plain text in one line of Markdown: no HTML, no link, no picture, no code, no new column."""
    return re.sub(r"([\\`|\[\]])", r"\\\1", html.escape(" ".join(str(value).split()), quote=False))
