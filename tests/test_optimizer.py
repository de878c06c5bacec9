"""The optimiser: orthogonal steps for convolutions, AdamW's for the rest, and a state that goes on exactly."""

import copy
import math

import pytest
import torch
from torch import nn

from train.optimizer import Muon, WeightOptimizer, as_matrix, scheduled_rate


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = nn.Sequential()
    layers.add_module("head", nn.Conv2d(3, 16, 3, padding=1))
    layers.add_module("body", nn.Conv2d(16, 24, 3, padding=1))
    layers.add_module("depthwise", nn.Conv2d(24, 24, 3, padding=1, groups=24))
    layers.add_module("tail", nn.Conv2d(24, 3, 1))
    return layers.to(memory_format=torch.channels_last)


def learn(model: nn.Module, optimizer: WeightOptimizer, steps: int, rate: float = 1e-2, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        image = torch.rand(2, 3, 8, 8, generator=generator)
        torch.autograd.backward((model(image) - image).square().mean())
        optimizer.step(rate)


def test_a_convolution_moves_orthogonally_and_as_far_as_adamw_would() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.named_parameters()}
    learn(model, WeightOptimizer(model, "muon", weight_decay=0.0), steps=1, rate=0.01)
    change = {name: value.detach() - before[name] for name, value in model.named_parameters()}
    singular = torch.linalg.svdvals(change["body.weight"].flatten(1))  # a matrix of 24 by 144
    # Five Newton-Schulz steps bring them near one another, not to one value; the length is 0.2 sqrt(144).
    relative = singular / (0.01 * 0.2 * 12)
    assert float(relative.max()) < 1.3
    assert float(relative.quantile(0.1)) > 0.6
    optimizer = WeightOptimizer(model, "adamw", weight_decay=0.0)
    learn(model, optimizer, steps=1)
    gradient = torch.linalg.svdvals(model.get_parameter("body.weight").grad.flatten(1))  # type: ignore[union-attr]
    assert float(gradient.quantile(0.1) / gradient.max()) < 0.3  # which they were not before
    # Adam's first step has the length of its rate for each weight.
    for name in ("head.weight", "depthwise.weight", "tail.weight", "body.bias"):
        torch.testing.assert_close(change[name].abs(), torch.full_like(change[name], 0.01), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.bfloat16, 0), (torch.float32, 0.05)])
def test_muon_is_torchs(precision: torch.dtype, tolerance: float) -> None:
    draws = torch.Generator().manual_seed(0)
    shapes = [(24, 40), (40, 24), (16, 16)]
    starts = [torch.randn(shape, generator=draws) for shape in shapes]
    ours, theirs = ([matrix.clone() for matrix in starts] for _ in range(2))
    optimizer = Muon(ours, weight_decay=0.1, precision=precision)
    reference = torch.optim.Muon(theirs, lr=0.0, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for rate in (0.01, 0.02, 0.01):
        gradients = [torch.randn(shape, generator=draws) for shape in shapes]
        for part, matrices in ((optimizer, ours), (reference, theirs)):
            part.param_groups[0]["lr"] = rate
            for matrix, gradient in zip(matrices, gradients, strict=True):
                matrix.grad = gradient.clone()
            part.step()
    for start, a, b in zip(starts, ours, theirs, strict=True):
        assert float((a - b).norm()) <= tolerance * float((b - start).norm())
    assert optimizer.state_dict()["state"].keys() == reference.state_dict()["state"].keys()


def test_adamw_alone_is_torchs() -> None:
    ours, theirs = network(), network()
    learn(ours, WeightOptimizer(ours, "adamw", weight_decay=0.1), steps=3)
    reference = torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0.1, betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        reference.zero_grad()
        image = torch.rand(2, 3, 8, 8, generator=generator)
        torch.autograd.backward((theirs(image) - image).square().mean())
        reference.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_saved_state_goes_on_exactly(kind: str) -> None:
    straight = network()
    optimizer = WeightOptimizer(straight, kind, weight_decay=0.01)  # type: ignore[arg-type]
    learn(straight, optimizer, 2, seed=1)
    other = network(seed=9)
    other.load_state_dict(straight.state_dict())
    resumed = WeightOptimizer(other, kind, weight_decay=0.01)  # type: ignore[arg-type]
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    learn(straight, optimizer, 2, seed=2)
    learn(other, resumed, 2, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), other.parameters(), strict=True))


def test_a_layout_that_is_no_matrix_is_refused() -> None:
    weight = torch.rand(4, 3, 3, 3)
    with pytest.raises(ValueError, match="channels_last"):
        as_matrix(weight)
    matrix = as_matrix(weight.to(memory_format=torch.channels_last))
    assert torch.equal(matrix, weight.permute(0, 2, 3, 1).reshape(4, -1))


def test_the_rate_warms_up_stays_level_and_falls_by_half_a_cosine() -> None:
    assert [scheduled_rate(step, 100, 2.0, 0.1, 10, 0.3) for step in range(10, 72, 61)] == [
        2.0,
        pytest.approx(1.995, 1e-3),
    ]
    rates = [scheduled_rate(step, 110, 2.0, 0.1, 10, 1.0) for step in range(111)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == pytest.approx(2)
    assert rates[10] == pytest.approx(2)
    assert rates[60] == pytest.approx(1.1)
    assert rates[110] == pytest.approx(0.2)
    assert rates[35] == pytest.approx(0.2 + 1.8 * (1 + math.cos(math.pi / 4)) / 2)
