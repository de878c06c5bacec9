"""A convolution with fewer products gives what the convolution gives."""

import copy

import pytest
import torch
from torch import nn

from restoration import Restorer
from restoration.model import UNet, UNetConfig
from restoration.winograd import NARROWEST, WinogradConv, with_fewer_products


def pair(bias: bool = True) -> tuple[nn.Conv2d, WinogradConv]:
    torch.manual_seed(0)
    convolution = nn.Conv2d(40, 24, 3, padding=1, bias=bias)
    return convolution, WinogradConv(convolution)


@pytest.mark.parametrize("shape", [(1, 40, 16, 16), (3, 40, 13, 18), (2, 40, 4, 61), (2, 40, 4, 300), (17, 40, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_it_is_the_convolution(shape: tuple[int, ...], layout: torch.memory_format, bias: bool) -> None:
    convolution, fast = pair(bias)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=layout)
    before, expected = x.clone(), copy.deepcopy(convolution).double()(x.double())
    assert float((fast(x) - expected).abs().max()) < 1e-5 * float(expected.abs().max())
    assert torch.equal(x, before)


@torch.no_grad()
def test_few_tiles_are_left_to_the_convolution() -> None:
    convolution, fast = pair()
    x = torch.randn(1, 40, 12, 20, generator=torch.Generator().manual_seed(1))  # 15 tiles
    assert torch.equal(fast(x), convolution(x))


@pytest.mark.parametrize("size", [(512, 512), (100, 164), (64, 64)])
@torch.no_grad()
def test_the_network_restores_the_same(size: tuple[int, int]) -> None:
    restorer = Restorer.from_pretrained(precision="fp32")
    plain = restorer._weights.model
    assert sum(isinstance(module, WinogradConv) for module in restorer._model.modules()) == 16
    assert not any(isinstance(module, WinogradConv) for module in plain.modules())
    faces = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert float((restorer.restore_tensor(faces) - plain(faces)).abs().max()) < 1e-4  # a fortieth of a grey level


def test_narrow_and_gated_blocks_stay_and_parameters_are_shared() -> None:
    widths = (NARROWEST // 2, NARROWEST, NARROWEST)
    for block, expected in (("residual", 4), ("gated", 0)):
        model = UNet(UNetConfig(block=block, widths=widths, encoder=(1, 1, 1), decoder=(1, 1)))  # type: ignore[arg-type]
        fast = with_fewer_products(model)
        assert sum(isinstance(module, WinogradConv) for module in fast.modules()) == expected
        assert {id(parameter) for parameter in fast.parameters()} == {id(parameter) for parameter in model.parameters()}
        assert not any(isinstance(module, WinogradConv) for module in model.modules())
