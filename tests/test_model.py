"""The network: any size, strict configuration, and gradients everywhere."""

import dataclasses

import pytest
import torch
from tiny import SMALL, SMALL_FACE

from restoration.images import InputError
from restoration.network import CoarseToFine, UNet, UNetConfig, enlarge, reduce


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("size", [(64, 64), (65, 127), (512, 512), (100, 2048)])
def test_any_size_comes_back(attention: bool, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert UNet(dataclasses.replace(SMALL, attention=attention))(torch.rand(1, 3, *size)).shape == (1, 3, *size)


@pytest.mark.parametrize("shape", [(1, 3, 63, 64), (1, 3, 64, 2049), (1, 1, 64, 64), (3, 64, 64)])
def test_other_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        UNet(SMALL)(torch.rand(*shape))


def test_every_parameter_receives_a_gradient() -> None:
    torch.manual_seed(0)
    model, images = CoarseToFine(SMALL, SMALL_FACE), torch.rand(2, 3, 256, 256)
    (model(images, aligned=True) - torch.rand_like(images)).abs().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_configuration_round_trip_and_strictness() -> None:
    assert UNetConfig.from_dict(SMALL.to_dict()) == SMALL
    for wrong in ({}, {**SMALL.to_dict(), "act": "relu"}):
        with pytest.raises(InputError, match="exactly the keys"):
            UNetConfig.from_dict(wrong)
    for name, values in {
        "widths": [(8,), (8, 0, 8)], "unshuffle": [0, True], "encoder": [(1, 1.5, 1)], "guided": [1],
        "attention": ["yes"], "positions": [100, 32, True],
    }.items():  # fmt: skip
        for value in values:
            with pytest.raises(InputError):
                UNetConfig(**{**SMALL.to_dict(), name: value})
    detail, unguided = SMALL.to_dict(), dataclasses.replace(SMALL, guided=False)
    for network in (CoarseToFine(SMALL, SMALL_FACE), CoarseToFine(unguided)):
        assert CoarseToFine.from_config(network.config).config == network.config
    for wrong in ({}, detail, {"face": None, "detail": None}, {"face": [], "detail": detail}, {"detail": detail}):
        with pytest.raises(InputError):
            CoarseToFine.from_config(wrong)
    for stages in ((SMALL_FACE, None), (SMALL, SMALL), (unguided, SMALL_FACE)):
        with pytest.raises(InputError, match="guide"):
            CoarseToFine(*stages)


def test_the_face_stage_knows_places_and_takes_one_size() -> None:
    torch.manual_seed(0)
    face, grey = UNet(SMALL_FACE).eval(), torch.full((1, 3, 128, 128), 0.5)
    with torch.inference_mode():
        before = face(grey)
        for places in face.positions:
            places[..., : places.shape[-1] // 2] = 1  # the left half of the face
        change = (face(grey) - before).abs()[..., 32:96, :]
    assert float(change[..., :32].mean()) > 3 * float(change[..., 96:].mean())
    with pytest.raises(InputError, match="sides 128 to 128"):
        face(torch.rand(1, 3, 256, 256))


def test_both_stages_are_one_network_and_the_detail_stage_works_alone() -> None:
    torch.manual_seed(0)
    network, images = CoarseToFine(SMALL, SMALL_FACE).eval(), torch.rand(2, 3, 256, 256)
    assert network.face is not None
    with torch.inference_mode():
        guide = enlarge(network.face(reduce(images, 128)), images)
        assert torch.equal(network(images, aligned=True), network.detail(images, guide))
        assert torch.equal(network(images), network.detail(images))
        assert torch.equal(network.detail(images, images), network.detail(images))  # no change is no answer
        assert not torch.equal(network(images), network(images, aligned=True))
        assert CoarseToFine(dataclasses.replace(SMALL, guided=False))(images, aligned=True).shape == images.shape
