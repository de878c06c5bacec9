"""Two recognisers: their contract, and files that are fetched, checked and strict."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from facexlib.recognition.arcface_arch import Backbone

from restoration.faces import download
from restoration.faces.download import DownloadError, load_checkpoint
from restoration.images import InputError
from restoration.measure import recogniser
from restoration.measure.identity import EMBEDDED, load_identity
from restoration.measure.recogniser import CROP_SIZE, Recogniser, embed, load_recogniser
from train.extras import save_halves


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
    assert (EMBEDDED / "model.safetensors").stat().st_size <= 4_000_000
    torch.autograd.backward((result * torch.randn(4, 256)).sum())
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in network.parameters())


def test_files_give_the_same_network_back_to_half_precision_and_damaged_ones_are_named(tmp_path: Path) -> None:
    network = Recogniser().eval()
    save_halves(tmp_path, network, {"step": 3}, "training.json")
    crops = torch.rand(2, 3, CROP_SIZE, CROP_SIZE)
    with torch.inference_mode():
        cosine = (embed(network, crops) * embed(load_recogniser(tmp_path), crops)).sum(1)
    assert float(cosine.min()) > 0.9999
    assert json.loads((tmp_path / "training.json").read_text())["step"] == 3
    path = tmp_path / "model.safetensors"
    content = path.read_bytes()
    for damaged in (content[:-1] + bytes([content[-1] ^ 1]), content[:1000]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="checksum"):
            load_recogniser(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="does not hold"):
        load_recogniser(tmp_path)


def test_it_sees_blue_green_red_between_minus_one_and_one_and_is_chosen_by_name(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "recognition_arcface_ir_se50.pth"  # as it would lie there after a download
    torch.save(Backbone(50, 0.6, "ir_se").state_dict(), path)
    monkeypatch.setattr(download, "CACHE", tmp_path)
    monkeypatch.setattr(recogniser, "ARCFACE_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    chosen = load_identity("arcface_ir_se50")
    assert chosen.name == "arcface_ir_se50"
    assert chosen.embed(np.zeros((512, 512, 3), np.uint8)).shape == (512,)
    crops = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        embeddings = chosen.network(crops)
        expected = chosen.network.backbone((crops[:, [2, 1, 0]] - 0.5) / 0.5)
    torch.testing.assert_close(embeddings, expected)
    assert embeddings.shape == (2, 512)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))
    assert next(chosen.parameters()).device.type == "cpu"


def test_weights_that_do_not_fit_are_refused_and_code_in_them_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "weights.pth"
    for content in ({"weight": torch.zeros(1)}, ["a list"], {"weight": Evil()}):
        torch.save(content, path)
        with pytest.raises(DownloadError, match="does not hold the weights"):
            load_checkpoint(path, torch.nn.Linear(1, 1))
    assert not (tmp_path / "ran").exists()
