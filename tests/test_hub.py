"""Weights: what is saved comes back, and nothing else is accepted."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from restoration.hub import (
    CONFIG,
    EMBEDDED,
    GOLDEN,
    TRAINING,
    WEIGHTS,
    WeightsError,
    golden_input,
    load_weights,
    save_weights,
)
from restoration.model import UNet, UNetConfig

SMALL = UNetConfig(widths=(8, 12, 16), encoder=(1, 1, 1), decoder=(1, 1))
FACTS = {"name": "tiny", "license": "apache-2.0", "ranges": {"noise": [0, 20]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_weights(tmp_path / "weights", UNet(SMALL), FACTS)
    return tmp_path / "weights"


def test_round_trip(folder: Path) -> None:
    loaded = load_weights(folder)
    assert loaded.model.config == SMALL
    assert loaded.training == FACTS
    assert not loaded.model.training
    torch.manual_seed(0)
    original = UNet(SMALL).eval()
    with torch.inference_mode():
        assert torch.allclose(loaded.model(golden_input()), original(golden_input()), atol=2e-3)  # float16 on disk


def test_embedded_weights_are_within_their_budget_and_golden() -> None:
    loaded = load_weights()
    assert loaded.source == "embedded: default"
    size = sum(path.stat().st_size for path in (EMBEDDED / "default").iterdir() if path.suffix != ".png")
    assert size <= 20_000_000
    assert loaded.model.parameter_count() <= 10_000_000
    assert all(value.dtype == torch.float16 for value in load_file(EMBEDDED / "default" / WEIGHTS).values())
    golden = load_file(EMBEDDED / "default" / GOLDEN)
    with torch.inference_mode():
        assert torch.allclose(loaded.model(golden["input"]), golden["output"], atol=1e-3)
    assert float((golden["output"] - golden["input"]).abs().mean()) > 1e-3  # it does something


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, GOLDEN, TRAINING])
def test_missing_and_damaged_files_are_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=name):
        load_weights(folder)
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=name):
        load_weights(folder)


def test_a_changed_weight_fails_the_golden_check(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["tail.bias"] = tensors["tail.bias"] + 0.05
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(WeightsError, match="golden"):
        load_weights(folder)
    tensors["tail.bias"] = tensors["tail.bias"] * float("nan")
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(WeightsError, match="golden"):
        load_weights(folder)


def test_wrong_keys_shapes_and_types_are_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    for wrong, message in (
        ({**tensors, "extra": torch.zeros(1)}, "extra"),
        ({key: value for key, value in tensors.items() if key != "head.bias"}, r"head\.bias"),
        ({**tensors, "head.bias": torch.zeros(3)}, "shape"),
        ({**tensors, "head.bias": torch.zeros(8, dtype=torch.int32)}, "int32"),
    ):
        save_file(wrong, folder / WEIGHTS)
        with pytest.raises(WeightsError, match=message):
            load_weights(folder)


def test_a_pickle_is_never_opened(folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "executed"

    class Malicious:
        def __reduce__(self) -> tuple:
            return Path.touch, (trap,)

    (folder / WEIGHTS).write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(WeightsError, match="safetensors"):
        load_weights(folder)
    assert not trap.exists()


def test_configuration_and_facts_are_checked(folder: Path) -> None:
    (folder / CONFIG).write_text(json.dumps({**SMALL.to_dict(), "surprise": 1}))
    with pytest.raises(ValueError, match="surprise"):
        load_weights(folder)
    (folder / CONFIG).write_text(json.dumps(SMALL.to_dict()))
    (folder / TRAINING).write_text('{"name": "x"}')
    with pytest.raises(WeightsError, match="license"):
        load_weights(folder)


def test_unknown_names_list_what_there_is(tmp_path: Path) -> None:
    for wrong in (tmp_path / "nowhere", "nonsense", "../weights"):
        with pytest.raises(WeightsError, match="default"):
            load_weights(wrong)


def test_embedded_folder_may_be_copied_and_loaded_by_path(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED / "default", tmp_path / "copy")
    assert load_weights(tmp_path / "copy").source == str(tmp_path / "copy")
