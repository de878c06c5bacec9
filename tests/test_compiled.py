"""torch.compile: the same gradients, or a refusal."""

import pytest
import torch
from torch import Tensor, nn

from restoration.images import InputError
from restoration.network.unet import UNet, UNetConfig
from train.compiled import check_gradients, compiled


@pytest.fixture
def network() -> UNet:
    torch.manual_seed(0)
    config = UNetConfig(widths=(16,), encoder=(1,), decoder=())
    return UNet(config).to(memory_format=torch.channels_last).train()


def brightness(restored: Tensor) -> Tensor:
    return restored.float().square().mean()


def test_a_compiled_network_learns_what_the_plain_one_would_in_bfloat16(network: UNet) -> None:
    compiled(
        network, (torch.rand(2, 3, 128, 128),), brightness, torch.bfloat16
    )  # refused before the norm was float32: 100 % off
    assert all(parameter.grad is None for parameter in network.parameters())


def test_wrong_gradients_are_refused(network: UNet) -> None:
    def without_its_first_layer(images: Tensor) -> Tensor:
        network.head.requires_grad_(False)
        restored = network(images)
        network.head.requires_grad_(True)
        return restored

    def tripled(images: Tensor) -> Tensor:
        return 3 * network(images)

    for wrong in (without_its_first_layer, tripled):
        with pytest.raises(InputError, match="leave --compile out"):
            check_gradients(network, wrong, (torch.rand(1, 3, 64, 64),), brightness, torch.float32)
    check_gradients(network, network, (torch.rand(1, 3, 64, 64),), brightness, torch.float32)


def test_a_gradient_that_is_nothing_but_rounding_is_not_compared() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))  # the norm takes a bias away

    def in_another_order(images: Tensor) -> Tensor:
        return network(images.flip(0)).flip(0)

    images = torch.rand(8, 3, 16, 16)
    check_gradients(network, in_another_order, (images,), brightness, torch.float32)
    torch.autograd.backward(brightness(network(images)))
    bias, weight = network[0].bias.grad, network[0].weight.grad
    assert 0 < float(bias.norm()) < 1e-4 * float(weight.norm())
