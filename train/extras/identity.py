"""Train the embedded identity network: a small recogniser learns to say what a trained one says.

python -m train.extras.identity --faces FOLDER --validation OTHER_FACES --teacher FILE --out runs/identity
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.degrade import degrade
from restoration.degrade.protocols import Distribution
from restoration.measure.identity import identity_crop, load_torchscript
from restoration.measure.recogniser import Recogniser, embed, load_recogniser
from train.batches import Jitter, apply_jitter, draw
from train.config import Session, add_config, command, fastest, new_parser, take_config
from train.data import Faces, load_faces
from train.extras import RESULT, save_halves
from train.loop import Trainer

# The project's degradations as they look in a crop that is 3.6 times smaller than an aligned face.
CROP_DEGRADATIONS = Distribution(
    motion_length=(3, 9), blur_sigma=(0.2, 2.5), downsample=(1, 4), noise=(1, 15), jpeg=(40, 95), skip=0.5
)


@dataclass(frozen=True, kw_only=True)
class IdentityConfig(Session):
    """A run's settings."""

    steps: int = 10000
    batch: int = 128
    learning_rate: float = 1.5e-3
    warmup: int = 100
    optimizer: Literal["muon", "adamw"] = "muon"
    weight_decay: float = 0.05
    degraded: float = 0.2
    blends: float = 0.5


def crops_of(faces: Faces) -> Tensor:
    """(N, 3, 112, 112) float32 crops in [0, 1] of aligned faces."""
    return torch.cat([identity_crop(faces.clean(part.tolist())) for part in torch.split(torch.arange(len(faces)), 32)])


@torch.no_grad()
def ask(network: nn.Module, crops: Tensor) -> Tensor:
    """What a recogniser says of (N, 3, 112, 112) crops in [0, 1]: (N, D) of unit length."""
    return torch.cat([embed(network, part) for part in torch.split(crops, 64)])


def blend(first: Tensor, second: Tensor, generator: torch.Generator) -> Tensor:
    """Faces of nobody out of pairs of (B, 3, S, S): two mixed evenly, or soft patches of one in the other."""
    places = torch.randn(len(first), 1, 4, 4, generator=generator)
    patches = torch.sigmoid(8 * F.interpolate(places, size=first.shape[-2:], mode="bilinear"))
    even, kind = torch.rand(2, len(first), 1, 1, 1, generator=generator)
    return torch.lerp(first, second, torch.where(kind < 0.3, 0.3 + 0.4 * even, patches))


def batch(
    crops: Tensor, teacher: nn.Module, config: IdentityConfig, step: int, device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """What the student sees in one step, (batch, 3, 112, 112) in [0, 1], and what the teacher says of the same faces
    before they were jittered and degraded: both on the device, and functions of (seed, step) alone."""
    rng = random.Random(name := f"identity/{config.seed}/{step}")
    generator = torch.Generator().manual_seed(rng.getrandbits(62))
    first, second = crops[torch.randint(len(crops), (2, config.batch), generator=generator)]
    nobody, mirrored, grey = torch.rand(3, config.batch, 1, 1, 1, generator=generator)
    shown = torch.where(nobody < config.blends, blend(first, second, generator), first)
    shown = torch.where(mirrored < 0.5, shown.flip(-1), shown).to(device)
    views = apply_jitter(shown, [Jitter.sample(rng) for _ in range(config.batch)])
    views = torch.where(grey.to(device) < 0.1, views.mean(1, keepdim=True), views)
    if count := round(config.batch * config.degraded):
        views[:count] = degrade(views[:count], *draw(name, count, CROP_DEGRADATIONS, views.device))
    return views.contiguous(memory_format=torch.channels_last), ask(teacher, shown)


def train(
    config: IdentityConfig,
    faces: Faces,
    validation: Faces,
    teacher: nn.Module,
    out: Path,
    *,
    device: str = "cpu",
    init: Path | None = None,
) -> Recogniser:
    """Run to the last step, or go on from the checkpoint in ``out``; ``init`` is the recogniser to begin with.

    Validation is the mean cosine to what the teacher (on the device) says, of clean and of degraded crops.
    """
    torch.manual_seed(config.seed)
    student = load_recogniser(init) if init else Recogniser()
    student = student.to(device).to(memory_format=torch.channels_last).train()
    arithmetic = torch.device(device).type, torch.bfloat16, fastest(torch.device(device)) == "bf16"
    crops, watched = crops_of(faces), crops_of(validation).to(device)
    spoilt = degrade(watched, *draw("watch", len(watched), CROP_DEGRADATIONS, watched.device))
    said = ask(teacher, watched)

    def score(made: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        with torch.autocast(*arithmetic):
            output = student(made[0])
        return {"total": 1 - (F.normalize(output.float(), dim=1) * made[1]).sum(1).mean()}  # 1 - cosine

    def save(row: dict[str, float]) -> dict[str, float]:
        student.eval()
        seen = {"clean_cosine": watched, "degraded_cosine": spoilt}
        measured = {name: float((ask(student, shown) * said).sum(1).mean()) for name, shown in seen.items()}
        save_halves(out / RESULT, student.train(), {"config": config.to_dict(), **row, **measured}, "training.json")
        return measured

    lesson = partial(batch, crops, teacher, config, device=device)
    Trainer(config, out, student, lesson, score, save, faces=faces.fingerprint).run()
    return student.cpu().eval()


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--faces", nargs="+", required=True, metavar="FOLDER", help="aligned faces to learn from")
    add("--validation", nargs="+", required=True, metavar="FOLDER", help="aligned faces of other people, to watch")
    add("--teacher", type=Path, required=True, metavar="FILE", help="TorchScript recogniser to learn from")
    add("--out", type=Path, required=True, help="folder of the run; resumed when it holds a checkpoint")
    add("--init", type=Path, metavar="FOLDER", help="begin with the recogniser of an earlier run")
    add("--device", default="cpu", help="cpu, cuda … (%(default)s)")
    add_config(parser, IdentityConfig)
    options = parser.parse_args(arguments)
    teacher = load_torchscript(options.teacher).to(options.device)
    faces, validation = load_faces(options.faces), load_faces(options.validation)
    config = take_config(vars(options), IdentityConfig)
    train(config, faces, validation, teacher, options.out, device=options.device, init=options.init)
    print(f"{options.out / RESULT}: the recogniser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
