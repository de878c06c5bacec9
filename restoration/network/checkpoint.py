"""A set of weights, saved and loaded strictly. It is a folder:

    model.safetensors    float16 tensors, nothing else
    config.json          the configuration of its two stages, face and detail
    golden.safetensors   an input and the output that the network gave for it when it was saved
    training.json        how it was made: ranges of the degradations, recipe, hardware, licence

Every file must be there, every key and shape must fit, and the network must still give its golden output. Pickles are
never opened.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from restoration.images import InputError
from restoration.images.pictures import write_atomically
from restoration.network import MIN_SIZE, CoarseToFine, UNet, UNetConfig

WEIGHTS, CONFIG, GOLDEN, TRAINING = "model.safetensors", "config.json", "golden.safetensors", "training.json"
# float16 weights, float32 arithmetic: processors differ in the last bits only; 1/255 is one grey level.
GOLDEN_TOLERANCE = 0.5 / 255


class WeightsError(InputError):
    """A set of weights that cannot be trusted to be what it says. The message says what is wrong."""


@dataclass(frozen=True)
class Weights:
    """A network that passed every check of the loader, in evaluation mode, float32, on the CPU; what is known about it.

    Args:
        training: the facts in ``training.json``.
        source: where it came from, for people.
        hub_model: ``owner/name`` or ``owner/name@revision`` as it was asked for; None where the Hub is not the source.
        commit: of the Hub, 40 hexadecimal digits; None elsewhere.
        notice: what a person has to know about this choice of weights; None where it is what was asked for.
    """

    model: CoarseToFine
    training: dict[str, Any]
    source: str
    hub_model: str | None = None
    commit: str | None = None
    notice: str | None = None

    @functools.cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the tensors and their configuration: which network this is."""
        digest = hashlib.sha256(json.dumps(self.model.config).encode())
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]


def golden_input(model: CoarseToFine) -> Tensor:
    """(1, 3, S, S) float32 in [0, 1]: a fixed picture of waves, edges and noise that tests a network. S is the face
    stage's side, so that both stages see it; 64 where there is none."""
    size = model.face.config.positions if model.face else MIN_SIZE
    y, x = torch.meshgrid(*(torch.linspace(0, 1, size),) * 2, indexing="ij")
    waves = torch.stack((torch.sin(9 * x + 4 * y), torch.cos(7 * x * y * 4), torch.sin(25 * y)))
    noise = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    return (0.5 + 0.3 * waves + 0.2 * (x > y) * (noise - 0.5)).clamp(0, 1)[None]


def save_weights(folder: Path, model: CoarseToFine, training: dict[str, Any]) -> None:
    """Write a set of weights; a kill at any moment leaves the previous set whole, or one that the loader refuses.

    Args:
        folder: made when it does not exist; files of the same names are replaced, others stay.
        model: stored as float16; its golden output is that of the rounded weights.
        training: JSON-ready facts; WeightsError: such as the loader would refuse.
    """
    check_training(training, "The training facts")
    folder.mkdir(parents=True, exist_ok=True)
    halves = {key: value.detach().cpu().to(torch.float16).contiguous() for key, value in model.state_dict().items()}
    rounded = CoarseToFine.from_config(model.config).eval()
    rounded.load_state_dict({key: value.float() for key, value in halves.items()})
    example = golden_input(model)
    with torch.inference_mode():
        output = rounded(example, aligned=True)
    files = {
        WEIGHTS: save(halves),  # to bytes: safetensors' own files are closed to everybody else
        GOLDEN: save({"input": example, "output": output.contiguous()}),
        CONFIG: (json.dumps(model.config, indent=2) + "\n").encode(),
        TRAINING: (json.dumps(training, indent=2) + "\n").encode(),
    }
    for name, content in files.items():
        (folder / f"{name}.partial").write_bytes(content)
    (folder / TRAINING).unlink(missing_ok=True)  # from here on the loader refuses, until the last file is in place
    for name in files:
        os.replace(folder / f"{name}.partial", folder / name)


def save_stage(path: Path, stage: UNet) -> None:
    """Write one stage, float32, with its configuration: what a training run of that stage leaves."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in stage.state_dict().items()}
    write_atomically(path, save(tensors, {"config": json.dumps(stage.config.to_dict())}))


def load_stage(path: Path) -> UNet:
    """Inverse of ``save_stage``, in evaluation mode, on the CPU. WeightsError: missing, damaged, of another shape."""
    tensors = _read_tensors(path)
    with safe_open(path, "pt") as file:
        text = (file.metadata() or {}).get("config", "")
    try:
        stage = UNet(UNetConfig.from_dict(json.loads(text))).eval()
    except (ValueError, RecursionError) as error:  # InputError is a ValueError
        raise WeightsError(f"{path} holds no stage of a network.") from error
    _fill(stage, path, tensors)
    return stage


def read_weights(folder: Path, source: str) -> Weights:
    """Read a set of weights and check it, without a network connection. ``source`` is how people call it. WeightsError:
    incomplete, damaged, of another shape, or its golden output differs."""
    fields = _read_json(folder / CONFIG)
    try:
        with torch.device("meta"):  # shapes without memory: a configuration may ask for any size
            model = CoarseToFine.from_config(fields).eval()
    except InputError as error:
        raise WeightsError(f"{folder / CONFIG}: {error}") from error
    training = _read_json(folder / TRAINING)
    check_training(training, str(folder / TRAINING))
    tensors, golden = _read_tensors(folder / WEIGHTS), _read_tensors(folder / GOLDEN)
    if model.face is None and "head.weight" in tensors:  # saved before there was a face stage
        tensors = {f"detail.{key}": value for key, value in tensors.items()}
    _fill(model, folder / WEIGHTS, tensors)
    shape = golden_input(model).shape
    if {key: value.shape for key, value in golden.items()} != {"input": shape, "output": shape}:
        raise WeightsError(f"{folder / GOLDEN} does not fit {CONFIG}.")
    with torch.inference_mode():
        deviation = float((model(golden["input"].float(), aligned=True) - golden["output"]).abs().max())
    if not deviation <= GOLDEN_TOLERANCE:  # also catches NaN
        raise WeightsError(f"The weights in {folder} are damaged: their golden output is off by {deviation:.3g}.")
    return Weights(model, training, source)


def check_training(facts: dict[str, Any], where: str) -> None:
    """Refuse, by a WeightsError, training facts without a name, a licence and ranges (low, high) of settings, or with
    letters that no file can hold. ``where`` is what the message calls them."""
    try:
        json.dumps(facts, ensure_ascii=False).encode()
        fits = all(isinstance(facts[key], str) for key in ("name", "license"))
        fits &= all(-1e12 <= low <= high <= 1e12 for low, high in facts["ranges"].values())
    except (LookupError, AttributeError, TypeError, ValueError):
        fits = False
    if not fits:
        raise WeightsError(f"{where} must hold name, license and ranges as a training writes them.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read: missing, or no JSON object ({error}).") from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: missing, damaged or not a safetensors file ({error}).") from error


def _fill(network: nn.Module, path: Path, tensors: dict[str, Tensor]) -> None:
    """Give a network its tensors, as float32: exactly those that it has."""
    try:
        network.load_state_dict({key: value.float() for key, value in tensors.items()}, assign=True)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit its configuration: {' '.join(str(error).split()):.400}") from error
    network.requires_grad_(False)
