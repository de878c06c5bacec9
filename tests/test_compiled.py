"""torch.compile: the same gradients, or a refusal."""

import pytest
import torch
from torch import Tensor

from restoration.images import InputError
from restoration.model import UNet, UNetConfig
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
        network, torch.rand(2, 3, 128, 128), brightness, torch.bfloat16
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
            check_gradients(network, wrong, torch.rand(1, 3, 64, 64), brightness, torch.float32)
    check_gradients(network, network, torch.rand(1, 3, 64, 64), brightness, torch.float32)
