"""Weights: what is saved comes back, and nothing else is accepted."""

import json
import os
import pickle
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save_file
from tiny import FACTS, SMALL, SMALL_FACE, tiny_network

from restoration.hub import EMBEDDED, TRAINING, WEIGHTS, WeightsError, load_weights
from restoration.network import UNet, parameter_count
from restoration.network.checkpoint import CONFIG, GOLDEN, golden_input, load_stage, save_stage, save_weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_weights(tmp_path / "weights", tiny_network(), FACTS)
    return tmp_path / "weights"


def with_detail(**changes: object) -> dict[str, object]:
    """The configuration of the tiny network, its detail stage changed."""
    return {"face": SMALL_FACE.to_dict(), "detail": {**SMALL.to_dict(), **changes}}


def test_a_stage_comes_back_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    stage, path = UNet(SMALL_FACE).eval(), tmp_path / "stage.safetensors"
    save_stage(path, stage)
    loaded = load_stage(path)
    assert loaded.config == SMALL_FACE
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in stage.state_dict().items())
    save_file({"head.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="no stage"):
        load_stage(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="damaged"):
        load_stage(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_stage(tmp_path / "missing.safetensors")


def test_round_trip(folder: Path) -> None:
    loaded = load_weights(folder)
    assert loaded.model.config == tiny_network().config
    assert loaded.training == FACTS
    assert not loaded.model.training
    torch.manual_seed(0)
    original = tiny_network().eval()
    example = golden_input(original)
    assert example.shape[-1] == SMALL_FACE.positions  # both stages are tested
    with torch.inference_mode():
        assert torch.allclose(loaded.model(example, True), original(example, True), atol=2e-3)  # float16 on disk


@pytest.mark.parametrize(
    ("name", "size", "licence"), [("default", 20_000_000, "cc-by-nc-sa-4.0"), ("permissive", 8_000_000, "apache-2.0")]
)
def test_embedded_weights_are_within_their_budget_and_golden(name: str, size: int, licence: str) -> None:
    assert load_weights().source == "embedded: default"
    loaded, folder = load_weights(name), EMBEDDED / name
    assert loaded.source == f"embedded: {name}"
    assert loaded.training["license"] == licence
    assert sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".png") <= size
    assert parameter_count(loaded.model) <= 10_000_000
    assert all(value.dtype == torch.float16 for value in load_file(folder / WEIGHTS).values())
    golden = load((folder / GOLDEN).read_bytes())  # not mapped: the file is written anew
    with torch.inference_mode():
        assert torch.allclose(loaded.model(golden["input"], True), golden["output"], atol=1e-3)
    assert float((golden["output"] - golden["input"]).abs().mean()) > 1e-3  # it does something


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, GOLDEN, TRAINING])
def test_missing_and_damaged_files_are_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for damage in (lambda path: path.write_bytes(content[: len(content) // 2]), Path.unlink):
        damage(folder / name)
        with pytest.raises(WeightsError, match=name):
            load_weights(folder)


def test_a_changed_weight_fails_the_golden_check(folder: Path) -> None:
    tensors = load((folder / WEIGHTS).read_bytes())
    for change in (0.5, float("nan")):
        save_file({**tensors, "detail.tail.bias": tensors["detail.tail.bias"] + change}, folder / WEIGHTS)
        with pytest.raises(WeightsError, match="golden"):
            load_weights(folder)


def test_wrong_keys_shapes_and_types_are_refused(folder: Path) -> None:
    tensors = load((folder / WEIGHTS).read_bytes())
    for wrong, message in (
        ({**tensors, "extra": torch.zeros(1)}, "extra"),
        ({key: value for key, value in tensors.items() if key != "detail.head.bias"}, r"detail\.head\.bias"),
        ({**tensors, "detail.head.bias": torch.zeros(3)}, "shape"),
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
    (folder / CONFIG).write_text(json.dumps(with_detail(surprise=1)))
    with pytest.raises(ValueError, match="surprise"):
        load_weights(folder)
    (folder / CONFIG).write_text(json.dumps(with_detail()))
    for wrong in ({"license": None}, {"license": 5}, {"ranges": {"noise": [20, 0]}}, {"hardware": "\ud800"}):
        (folder / TRAINING).write_text(json.dumps({**FACTS, **wrong}))
        with pytest.raises(WeightsError, match=r"training\.json must hold name, license and ranges"):
            load_weights(folder)


class Killed(BaseException):
    """The process is gone: nothing after it runs, and no ``except Exception`` catches it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """Let the ``last``-th change of a file, and all later ones, be a kill."""
    turn = count(1)

    def dying(change):  # type: ignore[no-untyped-def]
        def changed(*arguments, **options):  # type: ignore[no-untyped-def]
            if next(turn) >= last:
                raise Killed
            return change(*arguments, **options)

        return changed

    for owner, name in ((Path, "write_bytes"), (Path, "unlink"), (os, "replace")):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))


@pytest.mark.parametrize("retrained", [True, False], ids=["other weights", "same weights, other facts"])
def test_a_kill_leaves_the_previous_weights_or_a_set_that_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, retrained: bool
) -> None:
    """With the same weights the golden output fits either way: new weights must not come with old facts either."""
    old, new = load_weights(folder), tiny_network()
    (folder / "README.md").write_text("theirs")  # stays
    if not retrained:
        new.load_state_dict(old.model.state_dict())
    before, ends = {path.name: path.read_bytes() for path in folder.iterdir()}, []
    for last in count(1):
        with monkeypatch.context() as patch:
            kill_at(patch, last)
            try:
                save_weights(folder, new, {**FACTS, "step": 2})
                break
            except Killed:
                pass
        try:
            load_weights(folder)
            assert {name: (folder / name).read_bytes() for name in before} == before
            ends.append("old")
        except WeightsError:
            ends.append("refused")
        for name, content in before.items():
            (folder / name).write_bytes(content)
    assert ends.count("old") >= 4  # a kill while the new files are written costs nothing
    assert ends.count("refused") >= 3
    assert ends == sorted(ends)
    assert load_weights(folder).training["step"] == 2
    assert {path.name for path in folder.iterdir()} == set(before)  # nothing of the killed ones is left


def test_a_configuration_cannot_ask_for_all_memory(folder: Path) -> None:
    largest = with_detail(widths=[1024] * 6, encoder=[32] * 6, decoder=[32] * 5)
    (folder / CONFIG).write_text(json.dumps(largest))  # 50 GB if it were built
    with pytest.raises(WeightsError, match="does not fit"):
        load_weights(folder)
    for wrong in ({"widths": [100000] * 3}, {"encoder": [10**9] * 3}, {"widths": [8] * 99}, {"widths": 8}):
        (folder / CONFIG).write_text(json.dumps(with_detail(**wrong)))
        with pytest.raises(WeightsError, match=r"config\.json"):
            load_weights(folder)
