"""Train the embedded identity network: a small recogniser learns to say what a trained one says.

python -m train.extras.identity --crops FOLDER --faces FOLDER --teacher FILE --out runs/identity
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from restoration.degrade import degrade
from restoration.degrade.protocols import Distribution
from restoration.images import InputError, read_image
from restoration.images.pictures import replacing
from restoration.measure.identity import identity_crop, load_torchscript
from restoration.measure.recogniser import CROP_SIZE, Recogniser, embed, load_recogniser, save_recogniser
from train.batches import Jitter, apply_jitter, draw
from train.config import Session, add_config, command, fastest, new_parser, take_config
from train.data import Faces, find_pictures, load_faces
from train.extras import RESULT
from train.loop import Trainer

# The project's degradations as they look in a crop that is 3.6 times smaller than an aligned face.
CROP_DEGRADATIONS = Distribution(
    motion_length=(3, 9), blur_sigma=(0.2, 2.5), downsample=(1, 4), noise=(1, 15), jpeg=(40, 95), skip=0.5
)
TARGETS = "targets.pt"


@dataclass(frozen=True, kw_only=True)
class IdentityConfig(Session):
    """A run's settings; of blends the teacher says who they are, too."""

    steps: int = 10000
    batch: int = 128
    learning_rate: float = 1.5e-3
    warmup: int = 100
    optimizer: Literal["muon", "adamw"] = "muon"
    weight_decay: float = 0.05
    degraded: float = 0.2
    blends: float = 4.0
    held_out: int = 25


@dataclass(frozen=True)
class Lesson:
    """Crops (N, 3, 112, 112) uint8, the last ``blends`` of nobody, and what the teacher says of them, (N, D)."""

    crops: Tensor
    targets: Tensor
    blends: int = 0


def is_held_out(name: str, every: int) -> bool:
    """Is this person, or picture of somebody unnamed, one of the so-many-th that is watched, not learned from?"""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % every == 0


def read_crops(folders: list[str], limit: int | None = None) -> tuple[Tensor, list[str]]:
    """All crops on ArcFace's template below the folders, (N, 3, 112, 112) uint8, and whom each shows.

    ``Some_Name_0001`` shows Some_Name. InputError: a crop is not 112x112, or as ``find_pictures``.
    """
    images, people = [], []
    for name, path in find_pictures(folders, limit=limit):
        images.append(torch.from_numpy(read_image(path)).permute(2, 0, 1))
        people.append(str(Path(name).with_suffix("")).rstrip("0123456789"))
        if images[-1].shape != (3, CROP_SIZE, CROP_SIZE):
            raise InputError(f"{path} is not {CROP_SIZE}×{CROP_SIZE}.")
    return torch.stack(images), people


def crops_of(faces: Faces) -> Tensor:
    """(N, 3, 112, 112) uint8 crops of aligned faces."""
    parts = torch.split(torch.arange(len(faces)), 32)
    return torch.cat([(identity_crop(faces.clean(part.tolist())) * 255).round().clamp(0, 255).byte() for part in parts])


def blend(crops: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """So many faces of nobody, uint8 as the crops: two mixed evenly, or soft patches of one in the other."""
    parts = [crops[:0]]
    for size in [512] * (count // 512) + [count % 512] * (count % 512 > 0):
        first, second = crops[torch.randint(len(crops), (2, size), generator=generator)].float()
        places = torch.randn(size, 1, 4, 4, generator=generator)
        patches = torch.sigmoid(8 * F.interpolate(places, size=crops.shape[-2:], mode="bilinear"))
        even, kind = torch.rand(2, size, 1, 1, 1, generator=generator)
        mixed = torch.lerp(first, second, torch.where(kind < 0.3, 0.3 + 0.4 * even, patches))
        parts.append(mixed.round().byte())
    return torch.cat(parts)


def batch(lesson: Lesson, config: IdentityConfig, step: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Crops in [0, 1] and what is to be said of them in one step, a function of (seed, step) alone."""
    rng = random.Random(name := f"identity/{config.seed}/{step}")
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    real = len(lesson.crops) - lesson.blends
    chosen = torch.randint(real, (config.batch,), generator=generator)
    if lesson.blends:
        nobody = torch.randint(real, len(lesson.crops), (config.batch,), generator=generator)
        chosen = torch.where(torch.rand(config.batch, generator=generator) < 0.5, nobody, chosen)
    crops = lesson.crops[chosen].to(device).float() / 255
    crops = apply_jitter(crops, [Jitter.sample(rng) for _ in range(config.batch)])
    grey = torch.rand(config.batch, 1, 1, 1, generator=generator).to(device) < 0.1
    crops = torch.where(grey, crops.mean(1, keepdim=True), crops)
    if count := round(config.batch * config.degraded):
        crops[:count] = degrade(crops[:count], *draw(name, count, CROP_DEGRADATIONS, crops.device))
    return crops.contiguous(memory_format=torch.channels_last), lesson.targets[chosen].to(device)


@torch.inference_mode()
def agreement(student: Recogniser, lesson: Lesson, device: str) -> dict[str, float]:
    """Mean cosine between the student's and the teacher's embeddings of crops, clean and degraded."""
    student.eval()
    cosines = []
    for i, part in enumerate(torch.split(torch.arange(len(lesson.crops)), 64)):
        clean, targets = lesson.crops[part].to(device).float() / 255, lesson.targets[part].to(device)
        spoilt = degrade(clean, *draw(f"watch/{i}", len(clean), CROP_DEGRADATIONS, clean.device))
        cosines.append(torch.stack([(embed(student, x) * targets).sum(1) for x in (clean, spoilt)]))
    student.train()
    return dict(zip(("clean_cosine", "degraded_cosine"), torch.cat(cosines, 1).mean(1).tolist(), strict=True))


@torch.inference_mode()
def ask(teacher: Path, crops: Tensor, device: str) -> Tensor:
    """What a TorchScript recogniser says of (N, 3, 112, 112) uint8 crops, (N, D) of unit length."""
    network, parts = load_torchscript(teacher).to(device), tqdm(torch.split(crops, 32), desc="asking", mininterval=5)
    return torch.cat([embed(network, part.to(device).float() / 255).cpu() for part in parts])


def prepare(options: argparse.Namespace, config: IdentityConfig) -> tuple[Lesson, Lesson]:
    """What to learn from and what to watch; what the teacher says is kept in the run's folder."""
    parts = [read_crops(options.crops)] if options.crops else []
    if options.faces:
        faces = load_faces(options.faces)
        parts.append((crops_of(faces), list(faces.names)))
    crops = torch.cat([part for part, _ in parts])
    watched = torch.tensor([is_held_out(name, config.held_out) for _, people in parts for name in people])
    count = round(config.blends * int((~watched).sum()))
    blends = blend(crops[~watched], count, torch.Generator().manual_seed(config.seed))
    questions, path = torch.cat((crops, crops.flip(-1), blends)), options.out / TARGETS
    if not path.exists():
        with replacing(path) as partial:
            torch.save(ask(options.teacher, questions, options.device), partial)
    targets = torch.load(path, weights_only=True)
    if len(targets) != len(questions):
        raise InputError(f"{path} belongs to other pictures. Choose another --out.")
    learn = torch.cat((~watched, ~watched, torch.ones(count, dtype=torch.bool)))
    return Lesson(questions[learn], targets[learn], count), Lesson(crops[watched], targets[: len(crops)][watched])


def train(
    config: IdentityConfig, learn: Lesson, watch: Lesson, out: Path, device: str = "cpu", init: Path | None = None
) -> Recogniser:
    """Run to the last step, or go on from the checkpoint in ``out``; ``init`` is the recogniser to begin with."""
    torch.manual_seed(config.seed)
    student = Recogniser() if init is None else load_recogniser(init)
    student = student.to(device).to(memory_format=torch.channels_last).train()
    arithmetic = torch.device(device).type, torch.bfloat16, fastest(torch.device(device)) == "bf16"

    def score(made: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        with torch.autocast(*arithmetic):
            output = student(made[0])
        return {"total": 1 - (F.normalize(output.float(), dim=1) * made[1]).sum(1).mean()}  # 1 - cosine

    def save(row: dict[str, float]) -> dict[str, float]:
        measured = agreement(student, watch, device)
        save_recogniser(out / RESULT, student, {"config": config.to_dict(), **row, **measured})
        return measured

    Trainer(config, out, student, lambda step: batch(learn, config, step, device), score, save).run()
    return student.cpu().eval()


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--crops", nargs="*", default=[], metavar="FOLDER", help="112x112 crops on ArcFace's template")
    add("--faces", nargs="*", default=[], metavar="FOLDER", help="aligned 512x512 faces")
    add("--teacher", type=Path, required=True, metavar="FILE", help="TorchScript recogniser to learn from")
    add("--out", type=Path, required=True, help="folder of the run; resumed when it holds a checkpoint")
    add("--init", type=Path, metavar="FOLDER", help="begin with the recogniser of an earlier run")
    add("--device", default="cpu", help="cpu, cuda … (%(default)s)")
    add_config(parser, IdentityConfig)
    options = parser.parse_args(arguments)
    config = take_config(vars(options), IdentityConfig)
    if not options.crops and not options.faces:
        raise InputError("Give --crops, --faces or both to learn from.")
    options.out.mkdir(parents=True, exist_ok=True)
    learn, watch = prepare(options, config)
    print(json.dumps({"learn": len(learn.crops), "watch": len(watch.crops), **config.to_dict()}))
    train(config, learn, watch, options.out, options.device, options.init)
    print(f"{options.out / RESULT}: the recogniser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
