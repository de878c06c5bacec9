"""The model card, made from the facts beside the weights and nothing else; its words are in ``card.md``."""

from __future__ import annotations

import hashlib
import html
import math
import re
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from restoration.degrade import LIMITS
from restoration.network.checkpoint import Weights, WeightsError

PICTURE = "picture.png"
INPUT = "degraded input"
METRICS = {"psnr": ("PSNR, dB", 2, 1), "ssim": ("SSIM", 4, 1), "identity_angle": ("identity angle, degrees", 1, -1)}
MARK = "\n<!-- Made by restoration.hub.card from the files beside it; sha256 of the text before this line: {} -->\n"
TAGS = ["face-restoration", "image-restoration", "deblurring", "denoising", "super-resolution", "u-net", "pytorch"]


def model_card(repo_id: str, weights: Weights, evaluation: dict[str, Any] | None, tables: str, caption: str) -> str:
    """The card as Markdown with its front matter; the same facts give the same text.

    Args:
        repo_id: ``owner/name`` on the Hub.
        weights: what is published.
        evaluation: what ``train/evaluate.py`` wrote about them as evaluation.json; None is said plainly.
        tables: the same as evaluation.md.
        caption: what can be seen on ``PICTURE``, a sentence of Markdown.

    Raises:
        WeightsError: the evaluation is of other weights, or not such a file.
    """
    try:
        results, worse = _read(evaluation, weights) if evaluation is not None else ([], [])
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:  # `weights` are checked
        raise WeightsError("evaluation.json is not what train/evaluate.py writes. Write it again.") from error
    training = weights.training
    known = re.fullmatch(r"[a-z0-9.+-]+", training["license"])
    data = ModelCardData(
        license=training["license"] if known else "other",
        license_name=None if known else training["license"],
        tags=TAGS,
        pipeline_tag="image-to-image",
        library_name="pytorch",
        datasets=[row["id"] for row in training.get("datasets", []) if row.get("id")] or None,
        model_name=training["name"] if results else None,
        eval_results=results or None,
    )
    facts: Any = {"training": training, "millions": weights.model.parameter_count() / 1e6, "limits": LIMITS}
    facts |= {"measured": evaluation is not None, "tables": tables, "worse": worse, "caption": caption}
    template = str(Path(__file__).with_suffix(".md"))
    card = str(ModelCard.from_template(data, template, repo_id=repo_id, picture=PICTURE, text=_text, **facts))
    return card + MARK.format(hashlib.sha256(card.encode()).hexdigest())


def is_generated(card: str) -> bool:
    """Whether a card is ``model_card``'s, unchanged: a person who edited it owns it."""
    text, _, _ = card.rpartition(MARK.partition("{")[0])
    return card == text + MARK.format(hashlib.sha256(text.encode()).hexdigest())


def _read(evaluation: dict[str, Any], weights: Weights) -> tuple[list[EvalResult], list[str]]:
    """An evaluation's results for the front matter; and a sentence wherever another method or the input is better."""
    about, results, worse = evaluation["weights"], [], []
    if about.get("fingerprint") != weights.fingerprint:
        raise WeightsError(
            f"evaluation.json is about {about['name']!r}, fingerprint {about.get('fingerprint', 'not recorded')}, not "
            f"about these weights, {weights.fingerprint}. Run train/evaluate.py --weights FOLDER --out FOLDER again."
        )
    for run in evaluation["runs"]:
        if INPUT not in run["methods"]:
            raise WeightsError(f"evaluation.json lacks the {INPUT}, without which no result means anything.")
        place = f"{run['set']}, protocol {run['protocol']}"
        restored = {name: value["mean"] for name, value in run["methods"].get("restored", {}).items()}
        for metric in (name for name in METRICS if math.isfinite(restored.get(name, math.nan))):
            label, digits, better = METRICS[metric]
            for other, metrics in run["methods"].items():
                loss = (metrics.get(metric, {"mean": -math.inf * better})["mean"] - restored[metric]) * better
                if other != "restored" and round(max(loss, 0), digits) > 0:
                    worse.append(f"Worse than the {other} on {place}, in {label}: by {loss:.{digits}f}.")
            result = EvalResult(
                task_type="image-to-image",
                task_name="Face restoration",
                dataset_type=re.sub(r"[^\w.-]+", "-", run["set"]),
                dataset_name=f"{place}, {run['images']} images",
                dataset_config=run["protocol"],
                metric_type=metric,
                metric_name=f"{label} ({INPUT}: {run['methods'][INPUT][metric]['mean']:.{digits}f})",
                metric_value=round(restored[metric], digits),
            )
            results.append(result)
    return results, worse


def _text(value: Any) -> str:
    """Plain text in one line of Markdown: no HTML, no link, no picture, no code, no new column."""
    return re.sub(r"([\\`|\[\]])", r"\\\1", html.escape(" ".join(str(value).split()), quote=False))
