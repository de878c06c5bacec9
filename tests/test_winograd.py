"""A convolution with fewer products gives what the convolution gives."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from restoration import Restorer
from restoration.network import winograd
from restoration.network.unet import ResidualBlock, UNet, UNetConfig
from restoration.network.winograd import WinogradBlock, WinogradConv, with_fewer_products


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(1, 40, 16, 16), (3, 40, 13, 18), (2, 40, 24, 61), (2, 40, 4, 7), (17, 40, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [4, 8, 1000])  # that are worked on at a time
@torch.no_grad()
def test_it_is_the_convolution(
    shape: tuple[int, ...], layout: torch.memory_format, bias: bool, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "AT_A_TIME", rows // 4 * shape[1] * shape[3])
    torch.manual_seed(0)
    convolution = nn.Conv2d(40, 24, 3, padding=1, bias=bias)
    fast = WinogradConv(convolution)
    x = draw(*shape).contiguous(memory_format=layout)
    before, expected = x.clone(), copy.deepcopy(convolution).double()(x.double())
    assert float((fast(x) - expected).abs().max()) < 1e-5 * float(expected.abs().max())
    assert torch.equal(x, before)


@pytest.mark.parametrize("height", [32, 13, 2])
@pytest.mark.parametrize("rows", [4, 1000])
@torch.no_grad()
def test_a_block_is_the_block(height: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "AT_A_TIME", rows // 4 * 16 * 9)
    torch.manual_seed(0)
    block = ResidualBlock(16)
    for parameter in block.parameters():  # none is left at nought or one, as at the start of training
        nn.init.normal_(parameter, std=0.3)
    x = draw(2, 16, height, 9)
    before, expected = x.clone(), copy.deepcopy(block).double()
    wanted = x + expected.scale * expected.second(F.silu(expected.first(block.norm(x).double())))
    assert float((WinogradBlock(block)(x) - wanted).abs().max()) < 1e-5 * float(wanted.abs().max())
    assert torch.equal(x, before)


@pytest.mark.parametrize("size", [(512, 512), (100, 164), (64, 64)])
@torch.no_grad()
def test_the_network_restores_the_same(size: tuple[int, int]) -> None:
    restorer = Restorer.from_pretrained(precision="fp32")
    plain = restorer._weights.model
    assert sum(isinstance(module, WinogradConv) for module in restorer._model.modules()) == 26
    assert not any(isinstance(module, WinogradConv) for module in plain.modules())
    faces = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert float((restorer.restore_tensor(faces) - plain(faces)).abs().max()) < 1e-4  # a fortieth of a grey level


@pytest.mark.parametrize("block", ["residual", "gated", "attentive"])
@torch.no_grad()
def test_a_network_of_any_block_is_the_same_and_stays_as_it_was(block: str) -> None:
    torch.manual_seed(0)
    model = UNet(UNetConfig(block=block, widths=(8, 16, 16), encoder=(1, 1, 1), decoder=(1, 1))).eval()  # type: ignore[arg-type]
    before = copy.deepcopy(model.state_dict())
    fast, faces = with_fewer_products(model), torch.rand(1, 3, 80, 64)
    assert float((fast(faces) - model(faces)).abs().max()) < 1e-5
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    shared = {id(parameter) for parameter in model.parameters()}
    assert all(id(parameter) in shared for parameter in fast.parameters())
