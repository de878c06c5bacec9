"""The network: any size, strict configuration, a budget, and gradients everywhere."""

import dataclasses

import pytest
import torch
from tiny import SMALL

from restoration.images import InputError
from restoration.network.unet import BLOCKS, Block, UNet, UNetConfig


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("size", [(64, 64), (65, 127), (512, 512), (100, 2048)])
def test_any_size_comes_back(block: Block, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert UNet(dataclasses.replace(SMALL, block=block))(torch.rand(1, 3, *size)).shape == (1, 3, *size)


@pytest.mark.parametrize("shape", [(1, 3, 63, 64), (1, 3, 64, 2049), (1, 1, 64, 64), (3, 64, 64)])
def test_other_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        UNet(SMALL)(torch.rand(*shape))


def test_padding_does_not_touch_the_picture() -> None:
    torch.manual_seed(0)
    model, image = UNet(SMALL).eval(), torch.rand(1, 3, 80, 96)
    with torch.inference_mode():
        assert torch.allclose(
            model(image)[..., :79, :95][..., :8, :8], model(image[..., :79, :95])[..., :8, :8], atol=1e-5
        )


def test_default_is_within_its_budget() -> None:
    assert UNet(UNetConfig()).parameter_count() <= 10_000_000
    assert UNetConfig().multiple == 32


def test_untrained_network_is_close_to_the_identity_and_an_image_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    model, images = UNet(UNetConfig()).eval(), torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        out = model(images)
        assert float((out - images).abs().mean()) < 0.2
        assert torch.allclose(model(images[1:]), out[1:], atol=1e-5)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_parameter_receives_a_gradient(block: Block) -> None:
    torch.manual_seed(0)
    model = UNet(dataclasses.replace(SMALL, block=block))
    (model(torch.rand(2, 3, 64, 64)) - torch.rand(2, 3, 64, 64)).abs().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_configuration_round_trip_and_strictness() -> None:
    assert UNetConfig.from_dict(SMALL.to_dict()) == SMALL
    for wrong in ({}, {**SMALL.to_dict(), "act": "relu"}):
        with pytest.raises(InputError, match="exactly the keys"):
            UNetConfig.from_dict(wrong)
    for wrong in (
        {"widths": (8,)},
        {"widths": (8, 0, 8)},
        {"unshuffle": 0},
        {"encoder": (1, 1.5, 1)},
        {"unshuffle": True},
        {"block": "dense"},
    ):
        with pytest.raises(InputError):
            UNetConfig(**{**SMALL.to_dict(), **wrong})
