"""Degraded faces: batches to learn from, functions of the seed and the step, and fixed ones to measure on."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from restoration.degrade import Degradation, degrade
from restoration.degrade.protocols import Distribution, Mixture
from restoration.faces import FACE_SIZE
from restoration.images import InputError
from restoration.network import reduce
from train.config import TrainConfig
from train.data import Faces

Draws = Distribution | Mixture  # what degradations are drawn from
Box = tuple[int, int, int]  # of a square the index of its face, and its top and left, pixels


@dataclass(frozen=True)
class Jitter:
    """One small misalignment and tint: degrees, factor, and pixels of a 512-pixel face by which its content moves;
    exponent, and factors of red, green and blue."""

    turn: float = 0.0
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0
    gamma: float = 1.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @classmethod
    def sample(cls, rng: random.Random) -> Jitter:
        """Up to 4°, 5 %, 8 pixels, a quarter in exponent and a tenth in gain."""
        moved = rng.uniform(-4, 4), rng.uniform(0.95, 1.05), rng.uniform(-8, 8), rng.uniform(-8, 8)
        red, green, blue = (rng.uniform(0.9, 1.1) for _ in range(3))
        return cls(*moved, rng.uniform(0.8, 1.25), (red, green, blue))


def apply_jitter(faces: Tensor, jitters: Sequence[Jitter]) -> Tensor:
    """Each of (B, 3, H, W) float32 faces in [0, 1] under its jitter: bicubic, mirrored at the border."""
    height, width = faces.shape[-2:]
    rows = []
    for j in jitters:
        # ``affine_grid`` asks where each pixel comes from, in halves of the picture: the inverse movement.
        cos, sin = math.cos(math.radians(j.turn)) / j.scale, math.sin(math.radians(j.turn)) / j.scale
        right, down = 2 * j.right / FACE_SIZE, 2 * j.down / FACE_SIZE
        across = sin * height / width, sin * width / height
        first = [cos, across[0], -cos * right - across[0] * down]
        rows.append([first, [-across[1], cos, across[1] * right - cos * down]])
    grid = F.affine_grid(faces.new_tensor(rows), list(faces.shape), align_corners=False)
    moved = F.grid_sample(faces, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    gamma = faces.new_tensor([j.gamma for j in jitters])[:, None, None, None]
    gains = faces.new_tensor([j.gains for j in jitters])[:, :, None, None]
    return (moved.clamp(1e-4, 1) ** gamma * gains).clamp(0, 1)


@dataclass
class Recipe:
    """How clean faces become pairs to learn from; all that is drawn for a position of a run is a function of the seed.

    Args:
        faces, small: of 512 pixels, and of 128 (None for none): all once an epoch.
        degradations: what they go through.
        seed: of their order and of everything else that is drawn.
        jitter: share of faces that are moved, turned, scaled and tinted first, [0, 1]: a detector does not align as
            well as a data set's makers did, and no two cameras see one colour. The rest keeps its finest detail.
        device: that trains; faces are brought there when they are drawn.
        part, parts: of several processes that share a batch, which one this is. Together they see what one process
            alone would.
    """

    faces: Faces
    small: Faces | None = None
    _: KW_ONLY
    degradations: Draws
    seed: int = 0
    jitter: float = 0.0
    device: str | torch.device = "cpu"
    part: int = 0
    parts: int = 1
    _order: tuple[int, Tensor] = field(default=(-1, torch.empty(0)), init=False)

    @property
    def fingerprint(self) -> str:
        """The same for the same faces."""
        return self.faces.fingerprint + (self.small.fingerprint if self.small else "")

    def face(self, position: int) -> Tensor:
        """(3, S, S) uint8, the face at a position, [0, …)."""
        count = len(self.faces) + (len(self.small) if self.small else 0)
        epoch, place = divmod(position, count)
        if self._order[0] != epoch:
            shuffle = torch.Generator().manual_seed(random.Random(f"order/{self.seed}/{epoch}").getrandbits(62))
            self._order = epoch, torch.randperm(count, generator=shuffle)
        index = int(self._order[1][place])
        if index >= len(self.faces) and self.small:
            return self.small.images[index - len(self.faces)].to(self.device)
        return self.faces.images[index].to(self.device)

    def draw(self, position: int) -> tuple[random.Random, Tensor, Jitter | None]:
        """The source of further draws for a position, its (3, S, S) uint8 face, perhaps mirrored, and its jitter."""
        rng, face = random.Random(f"draw/{self.seed}/{position}"), self.face(position)
        face = face.flip(-1) if rng.random() < 0.5 else face
        return rng, face, Jitter.sample(rng) if rng.random() < self.jitter else None

    def share(self, step: int, batch: int) -> range:
        """Positions of this process in the batch of a step. InputError: the batch cannot be shared evenly."""
        if batch % self.parts:
            raise InputError(
                f"A batch of {batch} cannot be shared by {self.parts} processes: choose a multiple of {self.parts}."
            )
        start = step * batch
        return range(start + self.part * batch // self.parts, start + (self.part + 1) * batch // self.parts)


def whole_faces(recipe: Recipe, step: int, *, batch: int, side: int) -> tuple[Tensor, Tensor]:
    """A batch for the face stage: degraded and clean, both (batch / parts, 3, side, side) float32 in [0, 1].

    Each face is degraded at the smallest size that shows the same, see ``Degradation.reduced``; one of 128 pixels draws
    among the degradations that can be done at that size. The side is a divisor of 512, at least 128.
    """
    positions = recipe.share(step, batch)
    groups: dict[int, list[tuple[int, Tensor, Degradation, int]]] = defaultdict(list)
    for place, position in enumerate(positions):
        rng, whole, jitter = recipe.draw(position)
        native, smallest = FACE_SIZE // whole.shape[-1], FACE_SIZE // side
        settings: Degradation | None = None
        while settings is None:
            drawn = recipe.degradations.sample(rng)
            reduced = ((k, drawn.reduced(k)) for k in (4, 2, 1) if native <= k <= smallest)
            factor, settings = next((one for one in reduced if one[1]), (1, None))
        face = whole[None].float() / 255
        if jitter and native > 1:  # aligned by a detector already, and to be kept as sharp as it is
            face = apply_jitter(face, [Jitter(gamma=jitter.gamma, gains=jitter.gains)])
        elif jitter:  # at twice the size where that is to be had: what is moved loses its finest detail
            face = apply_jitter(reduce(face, FACE_SIZE // min(2, factor)), [jitter])
        groups[factor].append((place, reduce(face, FACE_SIZE // factor)[0], settings, rng.getrandbits(62)))
    clean = torch.empty(len(positions), 3, side, side, device=face.device)
    degraded = torch.empty_like(clean)
    for rows in groups.values():
        places, faces, settings_, seeds = zip(*rows, strict=True)
        stack = torch.stack(faces)
        noise = [torch.Generator(clean.device).manual_seed(seed) for seed in seeds]
        clean[list(places)] = reduce(stack, side)
        degraded[list(places)] = reduce(degrade(stack, settings_, noise), side)
    return degraded, clean


def cut(images: Tensor, boxes: Sequence[Box], side: int) -> Tensor:
    """(F, 3, H, W) to squares, (B, 3, side, side)."""
    return torch.stack([images[face, :, top : top + side, left : left + side] for face, top, left in boxes])


def face_squares(recipe: Recipe, step: int, config: TrainConfig) -> tuple[Tensor, Tensor, list[Box], list[bool]]:
    """A batch for the detail stage: this process's faces, all of 512 pixels, and several squares of each.

    A share ``config.plain`` is plain colour with a gentle slope instead: there the smallest regular pattern counts.

    Returns:
        Degraded and clean whole faces, (F, 3, 512, 512) float32 in [0, 1]; where to ``cut`` the squares; and of each
        face whether they are learned without the face stage's answer.
    """
    faces, settings, noise, boxes, alone = [], [], [], [], []
    for place, position in enumerate(recipe.share(step, config.batch // config.squares)):
        rng, whole, jitter = recipe.draw(position)
        plain = rng.random() < config.plain
        face = plain_picture(rng).to(whole.device) if plain else whole[None].float() / 255
        faces.append(apply_jitter(face, [jitter]) if jitter and not plain else face)
        settings.append(recipe.degradations.sample(rng))
        noise.append(torch.Generator(face.device).manual_seed(rng.getrandbits(62)))
        reach = FACE_SIZE - config.crop
        boxes += [(place, rng.randint(0, reach), rng.randint(0, reach)) for _ in range(config.squares)]
        alone.append(rng.random() < config.alone or plain)
    clean = torch.cat(faces)
    return degrade(clean, settings, noise), clean, boxes, alone


def plain_picture(rng: random.Random) -> Tensor:
    """(1, 3, 512, 512) float32 in [0, 1]: one colour that changes by at most 0.1 from side to side."""
    axis = torch.linspace(-1, 1, FACE_SIZE)
    across, down = rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05)
    slope = across * axis[None] + down * axis[:, None]
    colour = torch.tensor([rng.uniform(0.05, 0.95) for _ in range(3)])
    return (colour[:, None, None] + slope).clamp(0, 1)[None]


def draw(seed: str, count: int, source: Draws, device: torch.device) -> tuple[list[Degradation], list[torch.Generator]]:
    """Settings and noise sources for one batch, decided by ``seed`` alone."""
    rng = random.Random(seed)
    settings = [source.sample(rng) for _ in range(count)]
    return settings, [torch.Generator(device).manual_seed(rng.getrandbits(62)) for _ in range(count)]


def fixed_draw(
    faces: Faces, index: int, protocol_name: str, protocol: Draws
) -> tuple[list[Degradation], list[torch.Generator]]:
    """What ``degraded_face`` does to one face: its settings and a fresh source of its noise, one of each."""
    return draw(f"measure/{protocol_name}/{faces.names[index]}", 1, protocol, torch.device("cpu"))


def degraded_face(faces: Faces, index: int, protocol_name: str, protocol: Draws) -> tuple[Tensor, Tensor]:
    """One face under the fixed draw that both names decide: degraded and clean, (1, 3, 512, 512) float32 in [0, 1]."""
    clean = faces.clean([index])
    return degrade(clean, *fixed_draw(faces, index, protocol_name, protocol)), clean
