"""Train the embedded identity network: a small recogniser learns to see and to say what a trained one does.

python train/identity.py --crops FOLDER --faces FOLDER --teacher FILE --out runs/identity
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from restoration.degrade.degradations import degrade
from restoration.degrade.protocols import Distribution
from restoration.images import InputError, read_image
from restoration.measure.identity import identity_crop
from restoration.measure.recogniser import (
    CROP_SIZE,
    MARGIN,
    WIDTHS,
    Recogniser,
    embed,
    load_recogniser,
    save_recogniser,
)
from train.compiled import compiled
from train.data import draw, load_faces
from train.extras.teacher import Answers, Teacher
from train.face_sources import find_pictures
from train.optimizer import WeightOptimizer, scheduled_rate
from train.precision import fastest

# The project's degradations as they look in a crop that is 3.6 times smaller than an aligned face.
CROP_DEGRADATIONS = Distribution(
    motion_length=(3, 9),
    blur_sigma=(0.2, 2.5),
    downsample=(1, 4),
    noise=(1, 15),
    jpeg=(40, 95),
    skip=0.5,
)
TARGETS, CHECKPOINT, LOG, RESULT = "targets.pt", "checkpoint.pt", "train.csv", "weights"
SIZES_OF_STAGES = [(CROP_SIZE - 2 * MARGIN) >> i for i in range(1, len(WIDTHS) + 1)]


@dataclass(frozen=True, kw_only=True)
class IdentityConfig:
    """A run's settings.

    Args:
        steps, batch: optimiser steps, crops a step.
        learning_rate, warmup: peak of the cosine schedule, steps to it.
        degraded: share of crops that the student sees degraded (the teacher saw them clean), [0, 1].
        blends: further crops, each the blend of two people, for every real one, [0, …]: faces of nobody, of which the
            teacher says who they are. They fill half of every batch.
        hints: weight of the teacher's maps in the loss, beside 1 for its embeddings, [0, …]; it falls to 0 at the end,
            where what the teacher says is all that counts.
        held_out: every so-many-th person is watched, not learned from.
        seed: of every draw.
    """

    steps: int = 10000
    batch: int = 128
    learning_rate: float = 1.5e-3
    warmup: int = 100
    weight_decay: float = 0.05
    degraded: float = 0.2
    blends: float = 4.0
    hints: float = 0.5
    held_out: int = 25
    save_every: int = 200
    seed: int = 0


@dataclass(frozen=True)
class Lesson:
    """Crops (N, 3, 112, 112) uint8, the last ``blends`` of them of nobody; what the teacher says and sees of them."""

    crops: Tensor
    answers: Answers
    blends: int = 0

    def to(self, device: str) -> Lesson:
        """The same elsewhere."""
        maps = [x.to(device) for x in self.answers.maps]
        return Lesson(self.crops.to(device), Answers(self.answers.targets.to(device), maps), self.blends)


class Apprentice(nn.Module):
    """The student, and for each of the teacher's maps the 1x1 convolution by which the student's own must give it.

    Args:
        lesson: whose maps; their mean and spread in each channel are what the convolution need not learn.
    """

    def __init__(self, lesson: Lesson) -> None:
        super().__init__()
        self.student = Recogniser()
        self.guides = nn.ModuleList()
        self.stages: list[int] = []
        for x in lesson.answers.maps:
            self.stages.append(SIZES_OF_STAGES.index(x.shape[-1]))
            self.guides.append(nn.Conv2d(WIDTHS[self.stages[-1]], x.shape[1], 1))
            sample = x[:: max(1, len(x) // 500)].float()
            self.register_buffer(f"mean{len(self.stages)}", sample.mean((0, 2, 3), keepdim=True))
            self.register_buffer(f"spread{len(self.stages)}", sample.std((0, 2, 3), keepdim=True) + 1e-6)

    def forward(self, crops: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 3, 112, 112) crops in [0, 1] to (B, D) embeddings and guesses of the maps, (B, C, S, S) each."""
        maps = self.student.maps(crops)
        return self.student.read(maps[-1]), [g(maps[i]) for g, i in zip(self.guides, self.stages, strict=True)]

    def misses(self, seen: list[Tensor], maps: list[Tensor]) -> Tensor:
        """Mean squared error of ``seen`` against the teacher's maps, in units of their variance; 0 without maps."""
        errors = [
            F.mse_loss(x.float(), (y - self.get_buffer(f"mean{i}")) / self.get_buffer(f"spread{i}"))
            for i, (x, y) in enumerate(zip(seen, maps, strict=True), 1)
        ]
        return torch.stack(errors).mean() if errors else torch.zeros(())


def person(picture: str) -> str:
    """Who is on a picture, by its name: ``Some_Name_0001.png`` is one of Some_Name."""
    return str(Path(picture).with_suffix("")).rstrip("0123456789")


def is_held_out(name: str, every: int) -> bool:
    """Is this person, or picture of somebody unnamed, one of the so-many-th that is watched, not learned from?"""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % every == 0


def read_crops(crops: list[str], faces: list[str], limit: int | None = None) -> tuple[Tensor, list[str]]:
    """All crops, and for each the person or picture that it shows.

    Args:
        crops: folders of 112x112 pictures on ArcFace's template; ``Some_Name_0001`` is a picture of Some_Name.
        faces: folders of aligned 512x512 faces; the crop is cut out of them.
        limit: at most so many of the crops, spread evenly.

    Returns:
        (N, 3, 112, 112) uint8, and N names.

    Raises:
        InputError: a folder is missing or empty, or a crop is not 112x112.
    """
    images, people = [], []
    for name, path in find_pictures(crops, limit=limit) if crops else []:
        image = torch.from_numpy(read_image(path)).permute(2, 0, 1)
        if image.shape != (3, CROP_SIZE, CROP_SIZE):
            raise InputError(f"{path} is not {CROP_SIZE}×{CROP_SIZE}.")
        images.append(image)
        people.append(person(name))
    if faces:
        aligned = load_faces(faces)
        for part in _parts(len(aligned), 32):
            cut = identity_crop(aligned.clean(list(range(len(aligned)))[part]))
            images += list((cut * 255).round().clamp(0, 255).byte())
        people += list(aligned.names)
    return torch.stack(images), people


def blend(crops: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Faces of nobody: two crops mixed evenly, or patches of one in the other with soft borders, then bent a little.

    Args:
        crops: (N, 3, 112, 112) uint8.

    Returns:
        (count, 3, 112, 112) uint8.
    """
    result = torch.empty(count, *crops.shape[1:], dtype=torch.uint8)
    for part in _parts(count, 512):
        size = len(result[part])
        first, second = (crops[torch.randint(len(crops), (size,), generator=generator)].float() for _ in range(2))
        patches = torch.sigmoid(8 * _smooth(size, 1, generator))
        even = 0.3 + 0.4 * torch.rand(size, 1, 1, 1, generator=generator)
        mixed = torch.lerp(
            first, second, torch.where(torch.rand(size, 1, 1, 1, generator=generator) < 0.3, even, patches)
        )
        still = F.affine_grid(torch.eye(2, 3).expand(size, 2, 3), list(mixed.shape), align_corners=False)
        bend = 0.03 * _smooth(size, 2, generator).permute(0, 2, 3, 1)  # half a crop's width is 1
        bent = F.grid_sample(mixed, still + bend, padding_mode="border", align_corners=False)
        result[part] = bent.round().byte()
    return result


def _smooth(count: int, channels: int, generator: torch.Generator) -> Tensor:
    """(count, channels, 112, 112) of normal draws at 4x4 places, and what lies between."""
    places = torch.randn(count, channels, 4, 4, generator=generator)
    return F.interpolate(places, size=(CROP_SIZE, CROP_SIZE), mode="bilinear")


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def augment(crops: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Turn, scale, shift, brighten and now and then drop colour: what leaves a person who they are.

    Args:
        crops: (B, 3, 112, 112) uint8.

    Returns:
        (B, 3, 112, 112) float32 in [0, 1], and the ``affine_grid`` matrices (B, 2, 3) by which they were moved.
    """
    count = len(crops)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    turn, scale = torch.deg2rad(uniform(-4, 4)), uniform(0.96, 1.04)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 0, 1] = scale * turn.cos(), -scale * turn.sin()
    matrix[:, 1, 0], matrix[:, 1, 1] = scale * turn.sin(), scale * turn.cos()
    matrix[:, :, 2] = torch.stack((uniform(-0.03, 0.03), uniform(-0.03, 0.03)), 1)
    gamma, gain = uniform(0.8, 1.25).view(-1, 1, 1, 1), uniform(0.9, 1.1).view(-1, 1, 1, 1)
    grey = (torch.rand(count, generator=generator) < 0.1).view(-1, 1, 1, 1)
    matrix, gamma, gain, grey = (x.to(crops.device) for x in (matrix, gamma, gain, grey))
    x = move(crops.float() / 255, matrix)
    x = (x.clamp_min(1e-4) ** gamma * gain).clamp(0, 1)
    return torch.where(grey, x.mean(1, keepdim=True), x), matrix


def move(pictures: Tensor, matrices: Tensor) -> Tensor:
    """(B, C, H, W) float32 sampled by (B, 2, 3) ``affine_grid`` matrices, the border continued."""
    grid = F.affine_grid(matrices, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def batch(lesson: Lesson, config: IdentityConfig, step: int) -> tuple[Tensor, Answers]:
    """Crops in [0, 1] and what is to be said and seen of them in one step, a function of (seed, step) alone."""
    name = f"identity/{config.seed}/{step}"
    generator = torch.Generator().manual_seed(random.Random(name).getrandbits(62))
    real = len(lesson.crops) - lesson.blends
    chosen = torch.randint(real, (config.batch,), generator=generator)
    if lesson.blends:
        nobody = torch.rand(config.batch, generator=generator) < 0.5
        chosen = torch.where(
            nobody, torch.randint(real, real + lesson.blends, (config.batch,), generator=generator), chosen
        )
    chosen = chosen.to(lesson.crops.device)
    crops, matrices = augment(lesson.crops[chosen], generator)
    count = round(config.batch * config.degraded)
    if count:
        crops[:count] = degrade(crops[:count], *draw(name, count, CROP_DEGRADATIONS, crops.device))
    matrices[:, :, 2] *= CROP_SIZE / (CROP_SIZE - 2 * MARGIN)  # the maps cover less, so that a shift is more of them
    maps = [move(x[chosen].float(), matrices) for x in lesson.answers.maps]
    return crops, Answers(lesson.answers.targets[chosen], maps)


@torch.inference_mode()
def agreement(student: Recogniser, lesson: Lesson) -> dict[str, float]:
    """Mean cosine between the student's and the teacher's embeddings of crops, clean and degraded."""
    student.eval()
    sums = {"clean": 0.0, "degraded": 0.0}
    for index, part in enumerate(_parts(len(lesson.crops), 64)):
        clean = lesson.crops[part].float() / 255
        views = {"clean": clean}
        views["degraded"] = degrade(clean, *draw(f"watch/{index}", len(clean), CROP_DEGRADATIONS, clean.device))
        for name, view in views.items():
            sums[name] += float((embed(student, view) * lesson.answers.targets[part]).sum())
    student.train()
    return {name: value / len(lesson.crops) for name, value in sums.items()}


def prepare(options: argparse.Namespace, config: IdentityConfig) -> tuple[Lesson, Lesson]:
    """What to learn from and what to watch; the teacher is asked once and its answers are kept in the run's folder.

    It is asked of every crop, of its mirror image, and of the blends.
    """
    crops, people = read_crops(options.crops, options.faces)
    watched = torch.tensor([is_held_out(name, config.held_out) for name in people])
    generator = torch.Generator().manual_seed(config.seed)
    blends = blend(crops[~watched], round(config.blends * int((~watched).sum())), generator)
    questions = torch.cat((crops, crops.flip(-1), blends))
    path = options.out / TARGETS
    if not path.exists():
        answers = Teacher(options.teacher, options.device).answer(
            questions, f"{len(crops)} faces, mirrored too, {len(blends)} blends"
        )
        torch.save({"targets": answers.targets, "maps": answers.maps}, path.with_suffix(".partial"))
        os.replace(path.with_suffix(".partial"), path)
    answers = Answers(**torch.load(path, weights_only=True))
    if len(answers.targets) != len(questions):
        raise InputError(f"{path} belongs to other pictures. Choose another --out.")
    learn = torch.cat((~watched, ~watched, torch.ones(len(blends), dtype=torch.bool)))
    return (
        Lesson(questions[learn], Answers(answers.targets[learn], [x[learn] for x in answers.maps]), len(blends)),
        Lesson(crops[watched], Answers(answers.targets[: len(crops)][watched], [])),
    )


def train(
    config: IdentityConfig,
    learn: Lesson,
    watch: Lesson,
    out: Path,
    device: str = "cpu",
    init: Path | None = None,
    compile_model: bool = False,
) -> Recogniser:
    """Run to the last step, or go on from the checkpoint in ``out``; saves checkpoint, log and weights.

    Args:
        init: folder of the recogniser to begin with; a checkpoint in ``out`` comes first.
        compile_model: let ``torch.compile`` make the steps faster; needs a C++ compiler, and a minute to begin with.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    learn, watch = learn.to(device), watch.to(device)
    model = Apprentice(learn)
    if init is not None:
        model.student = load_recogniser(init)
    model = model.to(device).to(memory_format=torch.channels_last).train()
    optimizer = WeightOptimizer(model, "muon", weight_decay=config.weight_decay)
    step, seconds = 0, 0.0
    if (out / CHECKPOINT).exists():
        state = torch.load(out / CHECKPOINT, weights_only=True, map_location=device)
        if state["config"] != asdict(config):
            raise InputError(f"{out} holds a run with other settings. Choose another --out.")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]
    forward: Callable[[Tensor], Any] = model
    precision = torch.bfloat16 if fastest(learn.crops.device) == "bf16" else torch.float32
    if compile_model:
        crops, answers = batch(learn, config, step)
        forward = compiled(model, (crops,), lambda given: _distance(given[0], answers), precision)
    bar = tqdm(total=config.steps, initial=step, desc="identity", unit="step", mininterval=5)
    total, begun = torch.zeros(2), time.perf_counter() - seconds
    # The next batch is made while this one is learned from, by one thread that does not crowd out the others.
    ahead = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))
    coming = ahead.submit(batch, learn, config, step)
    while step < config.steps:
        crops, answers = coming.result()
        coming = ahead.submit(batch, learn, config, step + 1)
        with torch.autocast(learn.crops.device.type, precision, enabled=precision != torch.float32):
            output, seen = forward(crops.contiguous(memory_format=torch.channels_last))
        distance = _distance(output, answers)
        misses = model.misses(seen, answers.maps)
        optimizer.zero_grad()
        torch.autograd.backward(distance + config.hints * (1 - step / config.steps) * misses)
        optimizer.step(scheduled_rate(step, config.steps, config.learning_rate, 0.01, config.warmup, 1.0))
        total += torch.stack((distance.detach().cpu(), misses.detach().cpu()))
        step += 1
        bar.update()
        if step % config.save_every == 0 or step == config.steps:
            means = total / ((step - 1) % config.save_every + 1)
            row: dict[str, float] = {"step": step, "seconds": round(time.perf_counter() - begun)}
            row |= {"distance": float(means[0]), "misses": float(means[1])}
            row |= {f"{name}_cosine": value for name, value in agreement(model.student, watch).items()}
            total.zero_()
            _log(out / LOG, row)
            bar.set_postfix(row)
            state = {
                "config": asdict(config),
                "step": step,
                "seconds": time.perf_counter() - begun,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
            }
            torch.save(state, out / f"{CHECKPOINT}.partial")
            os.replace(out / f"{CHECKPOINT}.partial", out / CHECKPOINT)
            save_recogniser(out / RESULT, model.student, {"config": asdict(config), **row})
    ahead.shutdown()
    bar.close()
    student: Recogniser = model.student.cpu().eval()
    return student


def _distance(output: Tensor, answers: Answers) -> Tensor:
    """1 - cosine to the teacher's embeddings, the mean of (B, D)."""
    return 1 - (F.normalize(output.float(), dim=1) * answers.targets).sum(1).mean()


def _log(path: Path, row: dict[str, float]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if fresh:
            writer.writeheader()
        writer.writerow({key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()})


def parser() -> argparse.ArgumentParser:
    """Options; defaults are those of ``IdentityConfig``."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--crops", nargs="*", default=[], metavar="FOLDER", help="112x112 crops on ArcFace's template")
    result.add_argument("--faces", nargs="*", default=[], metavar="FOLDER", help="aligned 512x512 faces")
    result.add_argument(
        "--teacher", type=Path, required=True, metavar="FILE", help="TorchScript recogniser to learn from"
    )
    result.add_argument("--out", type=Path, required=True, help="folder of the run; resumed when it holds a checkpoint")
    result.add_argument("--init", type=Path, metavar="FOLDER", help="begin with the recogniser of an earlier run")
    result.add_argument("--device", default="cpu", help="cpu, cuda … (%(default)s)")
    result.add_argument("--compile", action="store_true", help="faster steps by torch.compile, after a minute")
    for name, value in asdict(IdentityConfig()).items():
        text = name.replace("_", " ") + " (%(default)s)"
        result.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=text)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    options = parser().parse_args(arguments)
    config = IdentityConfig(**{name: getattr(options, name) for name in asdict(IdentityConfig())})
    try:
        if not options.crops and not options.faces:
            raise InputError("Give --crops, --faces or both to learn from.")
        options.out.mkdir(parents=True, exist_ok=True)
        learn, watch = prepare(options, config)
        print(json.dumps({"learn": len(learn.crops), "watch": len(watch.crops), **asdict(config)}))
        train(config, learn, watch, options.out, options.device, options.init, options.compile)
    except InputError as error:
        print(f"identity.py: {error}", file=sys.stderr)
        return 2
    print(f"{options.out / RESULT}: the recogniser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
