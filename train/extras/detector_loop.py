"""How does the embedded face detector learn?  Proposer and refiner side by side, on scenes composed as they go."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.faces.alignment import Points
from restoration.faces.small_detector import EYES, Proposer, Refiner, cell_centres, cut_crops
from restoration.images import Image
from train.extras.scenes import Composer, Layout

SIDE = 192  # pixels of a training scene; the proposer sees it at half that
LAYOUT = Layout(width=SIDE, height=SIDE, eyes=(14, 58), count=(0, 4), turn=14, whole=0.35, spoil=0.3, close=0.25)
MATCH = 0.7  # a proposal whose landmarks are on average less than this share of the eyes' distance away is that face


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """One training run.

    Args:
        steps: of the optimiser.
        batch: scenes a step.
        learning_rate: peak; warms up over a twentieth of the steps, then falls to 0 as a cosine.
        seed: of everything that is drawn.
    """

    steps: int = 2500
    batch: int = 16
    learning_rate: float = 2e-3
    seed: int = 0


def train_detector(
    faces: list[Image], landmarks: Points, config: DetectorConfig, *, report_every: int = 50
) -> tuple[Proposer, Refiner, dict[str, Any]]:
    """Train both networks from scratch on the CPU.

    Args:
        faces: aligned square faces of one size, (S, S, 3) uint8 RGB.
        landmarks: (N, 5, 2) in the pixels of a 512 face.
        report_every: steps between printed lines.

    Returns:
        the networks in evaluation mode, and JSON-ready facts about the run.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    composer = Composer(faces, landmarks)
    proposer, refiner = Proposer().train(), Refiner().train()
    parameters = [*proposer.parameters(), *refiner.parameters()]
    optimiser = torch.optim.AdamW(parameters, config.learning_rate, weight_decay=1e-3)

    def rate(step: int) -> float:
        rise = min(1.0, (step + 1) / max(1, config.steps // 20))
        return rise * 0.5 * (1 + math.cos(math.pi * step / config.steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    begun, losses = time.monotonic(), np.zeros(4)
    for step in range(config.steps):
        scenes = [composer.compose(LAYOUT, rng) for _ in range(config.batch)]
        images = torch.from_numpy(np.stack([scene.image for scene in scenes])).permute(0, 3, 1, 2).float() / 255
        truths = [scene.landmarks for scene in scenes]
        logits, points = proposer(F.avg_pool2d(images, 2))
        first = proposer_loss(logits, points, [(truth + 0.5) / 2 - 0.5 for truth in truths])
        crops, labels, targets = _refiner_batch(
            [scene.image for scene in scenes], truths, logits.detach(), (points.detach() + 0.5) * 2 - 0.5, rng
        )
        second = refiner_loss(refiner(crops), labels, targets)
        optimiser.zero_grad()
        sum((*first, *second)).backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        schedule.step()
        losses += [float(value.detach()) for value in (*first, *second)]
        if (step + 1) % report_every == 0:
            values = " ".join(f"{value / report_every:.3f}" for value in losses)
            print(f"step {step + 1}: propose score, points; refine score, points: {values}", flush=True)
            losses[:] = 0
    facts = {**asdict(config), "faces": len(faces), "seconds": round(time.monotonic() - begun)}
    return proposer.eval(), refiner.eval(), facts


def proposer_loss(logits: Tensor, points: Tensor, truths: list[Points]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the scores, hardest negatives first, and distance of the landmarks.

    Convention:
        - a cell is a face where its middle lies within 0.45 of the eyes' distance from the mean of the landmarks and
          that distance is within a factor 1.4 of ``EYES``; up to twice as far, nothing is asked of it

    Args:
        logits, points: what ``Proposer`` returned for B pictures.
        truths: B sets of landmarks, (N, 5, 2) pixels.
    """
    batch, rows, columns = logits.shape
    cells = cell_centres(rows, columns)
    label, ignored = torch.zeros(batch, rows, columns), torch.zeros(batch, rows, columns, dtype=torch.bool)
    target = torch.zeros(batch, rows, columns, 5, 2)
    for i, truth in enumerate(truths):
        for face in torch.from_numpy(truth).float():
            eyes = float((face[1] - face[0]).norm())
            distance = (cells - face.mean(dim=0)).norm(dim=-1) / eyes
            octave = abs(math.log(eyes / EYES))
            if octave < math.log(2):
                ignored[i] |= distance < 0.9
            if octave < math.log(1.4):
                inside = distance < 0.45
                label[i][inside] = 1
                target[i][inside] = face
    positive = label > 0
    ignored &= ~positive
    loss = F.binary_cross_entropy_with_logits(logits, label, reduction="none")
    count = int(positive.sum())
    negative = loss[~positive & ~ignored]
    hardest = negative.topk(min(len(negative), max(4 * count, 4 * batch))).values
    score = (loss[positive].sum() + hardest.sum()) / (count + len(hardest))
    place = F.smooth_l1_loss(points[positive] / EYES, target[positive] / EYES, beta=0.05) if count else score * 0
    return score, 4 * place


def refiner_loss(output: tuple[Tensor, Tensor], labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the scores over all crops, and distance of the landmarks over those that are faces.

    Args:
        output: what ``Refiner`` returned: logits (N,) and points (N, 5, 2).
        labels: (N,) 0 or 1.
        targets: (N, 5, 2) pixels of the crops; used where the label is 1.
    """
    logits, points = output
    face = labels > 0
    score = F.binary_cross_entropy_with_logits(logits, labels)
    place = F.smooth_l1_loss(points[face] / 21, targets[face] / 21, beta=0.03) if bool(face.any()) else score * 0
    return score, 4 * place


def _refiner_batch(
    images: list[Image], truths: list[Points], logits: Tensor, points: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Crops of faces roughly placed, of faces badly placed, and of what the proposer takes for one."""
    crops, labels, targets = [], [], []
    for i, (image, truth) in enumerate(zip(images, truths, strict=True)):
        good = [_shaken(face, rng, 1.0 if rng.random() < 0.6 else 0.4) for face in truth]
        bad = [_displaced(face, rng) for face in truth if rng.random() < 0.5]
        best = logits[i].flatten().topk(12).indices
        proposals = points[i].flatten(0, 1)[best].double().numpy()
        eyes = np.linalg.norm(proposals[:, 1] - proposals[:, 0], axis=-1)
        wrong = [p for p, size in zip(proposals, eyes, strict=True) if size > 4 and not _is_a_face(p, truth)]
        bad += wrong[:3]
        if not good and not bad:
            continue
        cut, back = cut_crops(image, np.array(good + bad))
        crops.append(cut)
        labels += [1.0] * len(good) + [0.0] * len(bad)
        for face, matrix in zip(truth, back, strict=False):
            targets.append((face - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T)
        targets += [np.zeros((5, 2))] * len(bad)
    pixels = torch.from_numpy(np.concatenate(crops)).permute(0, 3, 1, 2).float() / 255
    return pixels, torch.tensor(labels), torch.tensor(np.array(targets), dtype=torch.float32)


def _shaken(face: Points, rng: np.random.Generator, amount: float) -> Points:
    """Landmarks as a rough first guess places them."""
    eyes, middle = np.linalg.norm(face[1] - face[0]), face.mean(axis=0)
    angle, scale = rng.normal(0, 0.16 * amount), math.exp(rng.normal(0, 0.13 * amount))
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shift = rng.normal(0, 0.12 * amount * eyes, 2)
    noise: Points = rng.normal(0, 0.05 * amount * eyes, (5, 2))
    moved: Points = (face - middle) @ turn.T + middle + shift + noise
    return moved


def _displaced(face: Points, rng: np.random.Generator) -> Points:
    """Landmarks so far off that what lies under them is no longer a face."""
    eyes, middle = np.linalg.norm(face[1] - face[0]), face.mean(axis=0)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * math.pi)
        shift = rng.uniform(0.9, 2) * eyes * np.array([math.cos(angle), math.sin(angle)])
        moved: Points = face + shift
        return moved
    scale = math.exp(rng.choice([-1, 1]) * rng.uniform(0.7, 1.2))
    scaled: Points = (face - middle) * scale + middle
    return scaled


def _is_a_face(proposal: Points, truth: Points) -> bool:
    for face in truth:
        eyes = np.linalg.norm(face[1] - face[0])
        if np.linalg.norm(proposal - face, axis=1).mean() < MATCH * eyes:
            return True
    return False
