"""What does a trained recogniser say of a face, and what does it see on the way to saying it?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from restoration.measure.identity import load_torchscript

SIZES = (12, 6)  # pixels; maps of these sizes are kept, one of each, for the student's stages of the same sizes


@dataclass(frozen=True)
class Answers:
    """Of N crops: embeddings (N, D) float32 of unit length, and maps, each (N, C, S, S) float16."""

    targets: Tensor
    maps: list[Tensor]


class Teacher:
    """A TorchScript recogniser whose residual sums can be looked at.

    A student that must also reproduce what its teacher sees half-way learns several times as fast as from the
    embeddings alone (FitNets, Romero et al., 2015): a map answers hundreds of questions about a crop, an embedding one.

    Convention:
        - the maps cover the crop without ``recogniser.MARGIN``, as those of face-reidentification-retail-0095 do

    Args:
        path: maps (B, 3, 112, 112) RGB in [0, 1] to (B, D). It is code: trust it first.
        device: where it thinks.

    Raises:
        InputError: the file is missing or not TorchScript.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        module: Any = load_torchscript(path).to(device)
        self.device = device
        # TorchScript has no hooks: a copy of the graph gets the sums of two activations as further outputs.
        graph = torch.jit.freeze(module).graph.copy()
        for node in list(graph.nodes()):
            if node.kind() == "aten::add" and not any(_constant(value) for value in list(node.inputs())[:2]):
                graph.registerOutput(node.output())
        if len(list(graph.outputs())) > 1:
            graph.makeMultiOutputIntoTuple()
        graph.eraseInput(0)  # the module itself: a frozen graph holds its weights
        self._function = torch._C._create_function_from_graph("look", graph)

    @torch.inference_mode()
    def __call__(self, crops: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 3, 112, 112) crops in [0, 1] to (B, D) embeddings of unit length, and maps (B, C, S, S) of ``SIZES``.

        Each map is made, by bilinear reduction, from the last residual sum of the smallest size that is not below it.
        A network without such sums, or with none as large, gives no map of that size.
        """
        output = self._function(crops.contiguous(memory_format=torch.channels_last))
        embeddings, *sums = output if isinstance(output, tuple) else (output,)
        maps = []
        for size in SIZES:
            large = [x for x in sums if x.ndim == 4 and x.shape[-1] >= size]
            if large:
                smallest = min(x.shape[-1] for x in large)
                last = [x for x in large if x.shape[-1] == smallest][-1]
                maps.append(F.interpolate(last, size=(size, size), mode="bilinear", antialias=True))
        return F.normalize(embeddings.float(), dim=1), maps

    def answer(self, crops: Tensor, what: str) -> Answers:
        """Its embeddings and maps of (N, 3, 112, 112) uint8 crops."""
        targets, maps = [], []
        for part in tqdm(torch.split(crops, 32), desc=f"asking the teacher: {what}", mininterval=5):
            target, seen = self(part.to(self.device).float() / 255)
            targets.append(target.cpu())
            maps.append([x.half().cpu() for x in seen])
        return Answers(torch.cat(targets), [torch.cat(same) for same in zip(*maps, strict=True)])


def _constant(value: Any) -> bool:
    """Is this value of a frozen graph a number or a weight, not an activation?"""
    return bool(value.node().kind() == "prim::Constant")
