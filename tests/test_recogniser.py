"""The recogniser: its size, its contract, and files that are checked."""

import json
from pathlib import Path

import pytest
import torch

from restoration.images import InputError
from restoration.measure.identity import EMBEDDED
from restoration.measure.recogniser import CROP_SIZE, Recogniser, embed, load_recogniser, save_recogniser


def test_it_is_small_and_every_parameter_learns() -> None:
    torch.manual_seed(0)
    network = Recogniser()
    assert sum(parameter.numel() for parameter in network.parameters()) <= 2_000_000
    with torch.no_grad():
        for parameter in network.parameters():  # blocks and gates begin by correcting nothing
            parameter += 0.05 * torch.randn_like(parameter)
    result = embed(network, torch.rand(4, 3, CROP_SIZE, CROP_SIZE))
    assert result.shape == (4, 256)
    torch.testing.assert_close(result.norm(dim=1), torch.ones(4))
    torch.autograd.backward((result * torch.randn(4, 256)).sum())
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in network.parameters())


def test_files_give_the_same_network_back_to_half_precision(tmp_path: Path) -> None:
    network = Recogniser().eval()
    save_recogniser(tmp_path, network, {"step": 3})
    crops = torch.rand(2, 3, CROP_SIZE, CROP_SIZE)
    with torch.inference_mode():
        cosine = (embed(network, crops) * embed(load_recogniser(tmp_path), crops)).sum(1)
    assert float(cosine.min()) > 0.9999
    assert json.loads((tmp_path / "training.json").read_text())["step"] == 3


def test_damaged_files_are_named(tmp_path: Path) -> None:
    save_recogniser(tmp_path, Recogniser(), {})
    path = tmp_path / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="checksum"):
        load_recogniser(tmp_path)
    path.write_bytes(content[:1000])
    with pytest.raises(InputError, match="checksum"):
        load_recogniser(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="does not hold"):
        load_recogniser(tmp_path)


def test_the_embedded_weights_take_at_most_four_megabytes() -> None:
    assert (EMBEDDED / "model.safetensors").stat().st_size <= 4_000_000
