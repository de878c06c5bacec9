"""What a push sends, written to a folder first: a set of weights with its model card, or this repository as a Space.

No network connection is used. The words of the card are in ``card.md``; its facts are those of the files beside it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import html
import json
import math
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import EvalResult, ModelCard, ModelCardData, RepoCard
from jinja2 import TemplateError

from restoration import DEBIAN_PACKAGES
from restoration.degrade import LIMITS, degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.hub import CHECKSUMS, FILES, HubModel
from restoration.images import InputError, read_image, to_image, to_tensor, write_png
from restoration.network import parameter_count
from restoration.network.checkpoint import TRAINING, Weights, WeightsError, read_weights

ROOT = Path(__file__).parents[2]
FACE = ROOT / "examples" / "eileen_collins.png"
# What else of a run is published, where it is there: never pictures of faces, names of files, or checkpoints.
EVALUATION, TABLES, CARD, PICTURE = "evaluation.json", "evaluation.md", "README.md", "picture.png"
ABOUT = (EVALUATION, TABLES, "run.json", "train.csv", "validation.csv", "curves.png")
# What the app does not need: tests, training, and the tools' settings. Everything else that git tracks is sent.
LEFT_OUT = {"tests", "train", ".ci", ".gitignore", ".mypy.ini", ".pytest.ini", ".ruff.toml"}
APP, PACKAGE = "app.py", "restoration/__init__.py"
PACKAGES = "packages.txt"  # names the Debian packages that a Space installs; made here, not kept in the repository
INPUT = "degraded input"
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
METRICS = {"psnr": ("PSNR, dB", 2, 1), "ssim": ("SSIM", 4, 1), "identity_angle": ("identity angle, degrees", 1, -1)}
# Never changes: by it a card that was pushed before is told from a person's.
MARK = "\n<!-- Made by restoration.hub.card from the files beside it; sha256 of the text before this line: {} -->\n"


def prepare(folder: Path, out: Path, repo_id: str) -> list[str]:
    """Write everything that a push of ``folder`` to ``repo_id`` sends.

    Args:
        folder: a run (with its weights in ``weights/``), or a set of weights with what is about it beside it.
        out: emptied first; made when it does not exist. Returned are its files' names, sorted.
        repo_id: ``owner/name``, for the card.

    WeightsError: not a valid set of weights, what ``model_card`` refuses, or ``folder`` and ``out``
    within each other.
    """
    home = folder / "weights" if (folder / "weights" / TRAINING).exists() else folder
    for place in (folder.resolve(), home.resolve()):
        if place == out.resolve() or out.resolve() in place.parents or out.resolve().parent == place:
            raise WeightsError(f"{folder} overlaps with {out}, which is emptied first. Push a folder elsewhere.")
    weights = read_weights(home, str(home))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sources = {name: home / name for name in FILES if name != CHECKSUMS}
    found = (path for name in ABOUT for path in (*folder.glob(name), *folder.glob(f"*/{name}")))
    for name, source in (sources | {path.relative_to(folder).as_posix(): path for path in found}).items():
        (out / name).parent.mkdir(exist_ok=True)
        if source.suffix in (".json", ".md"):
            (out / name).write_bytes(without_folders(source.read_text(errors="replace")).encode())
        else:
            shutil.copyfile(source, out / name)
    weights = dataclasses.replace(weights, training=json.loads((out / TRAINING).read_text()))
    _draw(weights.model, out / PICTURE)
    sums = (f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in names_in(out))
    (out / CHECKSUMS).write_text("".join(sums))
    (out / CARD).write_text(model_card(repo_id, weights, out))
    return names_in(out)


def names_in(folder: Path) -> list[str]:
    """Every file in a folder and its sub-folders, relative to it, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def without_folders(text: str) -> str:
    """The same JSON or Markdown with every path of a machine cut down to its last name.

    Addresses and names on the Hub stay; a relative path of two parts that is nothing here cannot be told from them.
    """

    def cut(match: re.Match[str]) -> str:
        path = match[1]
        rooted = re.fullmatch(r"(?:file:|~|[A-Za-z]:|\.\.?)?[\\/].*", path)
        relative = path.count("/") > 1 and not re.search(r"\s|://", path)
        ours = relative or rooted or os.path.exists(path)
        return '"' + re.split(r"[\\/]", path.rstrip("\\/"))[-1] + '"' if ours else match[0]

    folders = r"(?<![\w:/\\.<])(?:~|[A-Za-z]:)?[\\/](?:[^\\/\s|\"'<>]+[\\/])+"  # within a sentence
    return re.sub(folders, "", re.sub(r'"([^"\n]*[\\/][^"\n]*)"', cut, text))


def _draw(model: torch.nn.Module, path: Path) -> None:
    """Write the card's picture: a face, the face degraded, and what the model makes of that."""
    face = read_image(FACE)
    degraded = degrade_image(face, PRESETS["old_phone"].draw(0))
    with torch.inference_mode():
        restored = to_image(model(to_tensor(degraded)).float())
    gap = np.full((face.shape[0], 8, 3), 255, np.uint8)
    write_png(np.concatenate([face, gap, degraded, gap, restored], axis=1), path)


def model_card(repo_id: str, weights: Weights, folder: Path) -> str:
    """The card as Markdown with its front matter; the same facts give the same text.

    Args:
        folder: may hold what ``train/evaluate.py`` wrote about the weights; where it does not, that is said.

    WeightsError: the evaluation is of other weights; or it, or the training facts, are not such a file.
    """
    tables = (folder / TABLES).read_text().strip() if (folder / TABLES).exists() else ""
    measured, training = (folder / EVALUATION).exists(), weights.training
    try:
        results, worse = _results(json.loads((folder / EVALUATION).read_text()), weights) if measured else ([], [])
        known = re.fullmatch(r"[a-z0-9.+-]+", training["license"])
        data = ModelCardData(
            license=training["license"] if known else "other",
            license_name=None if known else training["license"],
            datasets=[row["id"] for row in training.get("datasets", []) if row.get("id")] or None,
            model_name=training["name"] if results else None,
            eval_results=results or None,
        )
        facts: Any = {"training": training, "millions": parameter_count(weights.model) / 1e6, "limits": LIMITS}
        facts |= {"measured": measured, "tables": tables, "worse": worse, "picture": PICTURE}
        template = str(Path(__file__).with_name("card.md"))
        card = str(ModelCard.from_template(data, template, repo_id=repo_id, text=_text, **facts))
    except WeightsError:
        raise
    except (*MALFORMED, TemplateError) as error:
        told = f"{EVALUATION} is not what train/evaluate.py writes, or {TRAINING} not what a training writes"
        raise WeightsError(f"{told}. Write it again.") from error
    return card + MARK.format(hashlib.sha256(card.encode()).hexdigest())


def is_generated(card: str) -> bool:
    """Whether a card is ``model_card``'s, unchanged: a person who edited it owns it."""
    text, _, _ = card.rpartition(MARK.partition("{")[0])
    return card == text + MARK.format(hashlib.sha256(text.encode()).hexdigest())


def _results(evaluation: Any, weights: Weights) -> tuple[list[EvalResult], list[str]]:
    """An evaluation's results for the front matter; and a sentence wherever another method or the input is better."""
    results, worse = [], []
    if (measured := evaluation["weights"].get("fingerprint")) != weights.fingerprint:
        told = f"is about weights {measured}, not about these weights, {weights.fingerprint}"
        raise WeightsError(f"{EVALUATION} {told}. Run python -m train.evaluate --weights FOLDER --out FOLDER again.")
    for run in evaluation["runs"]:
        place, methods = f"{run['set']}, protocol {run['protocol']}", run["methods"]
        restored = {name: value["mean"] for name, value in methods.get("restored", {}).items()}
        for metric in (name for name in METRICS if math.isfinite(restored.get(name, math.nan))):
            label, digits, better = METRICS[metric]
            for other, metrics in methods.items():
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
                metric_name=f"{label} ({INPUT}: {methods[INPUT][metric]['mean']:.{digits}f})",
                metric_value=round(restored[metric], digits),
            )
            results.append(result)
    return results, worse


def _text(value: Any) -> str:
    """Plain text in one line of Markdown: no HTML, no link, no picture, no code, no new column."""
    return re.sub(r"([\\`|\[\]])", r"\\\1", html.escape(" ".join(str(value).split()), quote=False))


def prepare_space(out: Path, model: HubModel | None = None) -> list[str]:
    """Write everything that a Space of this repository holds.

    Args:
        out: emptied first; made when it does not exist.
        model: of the Hub, that the app is to run, downloaded when the Space is built; None is the embedded weights.

    Only what git tracks is taken, as it is on disk; these names are returned, sorted. InputError: ``ROOT`` is no git
    checkout, or lacks a file that git tracks.
    """
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"{ROOT} is not a git checkout: publish the Space from a clone of the repository.") from error
    names = [name for name in listed.split("\0") if name and name.partition("/")[0] not in LEFT_OUT]
    if lacking := [name for name in (APP, CARD, PACKAGE, *names) if not (ROOT / name).is_file()]:
        raise InputError(f"{ROOT} lacks {', '.join(dict.fromkeys(lacking))}. Restore it with git first.")
    shutil.rmtree(out, ignore_errors=True)
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, out / name)
    (out / PACKAGES).write_text("\n".join(DEBIAN_PACKAGES) + "\n")
    if model:
        card = RepoCard((out / CARD).read_text())
        card.data["models"] = [model.repo_id]
        card.data["preload_from_hub"] = [f"{model.repo_id} {','.join(FILES)} {model.revision}"]
        (out / CARD).write_text(str(card))
    return names_in(out)
