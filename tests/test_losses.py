"""Losses: terms by name, their values by hand, and gradients."""

import pytest
import torch
from tiny import Pool

from restoration.images import InputError
from restoration.measure.identity import IdentityNetwork
from train.losses import RECONSTRUCTIONS, CompositeLoss, Reconstruction, charbonnier


def test_loss_terms_are_named_and_add_up() -> None:
    clean, restored = torch.rand(2, 3, 512, 512), torch.rand(2, 3, 512, 512, requires_grad=True)
    loss = CompositeLoss(lambda_rec=2, lambda_id=0.5, identity=IdentityNetwork(Pool(), "pool"))
    terms = loss(restored, clean)
    assert set(terms) == {"reconstruction", "identity", "total"}
    assert torch.allclose(terms["total"], 2 * terms["reconstruction"] + 0.5 * terms["identity"])
    assert torch.allclose(terms["reconstruction"], (restored - clean).abs().mean())
    same = loss(clean, clean)
    assert float(same["reconstruction"]) == 0
    assert abs(float(same["identity"])) < 1e-5
    terms["identity"].backward()
    assert restored.grad is not None
    assert float(restored.grad.abs().max()) > 0


def test_reconstruction_losses() -> None:
    zero, half = torch.zeros(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.5)
    assert float(CompositeLoss(reconstruction="l2")(half, zero)["total"]) == pytest.approx(0.25)
    assert float(charbonnier(half, zero)) == pytest.approx(0.5, abs=2e-3)
    assert float(charbonnier(zero, zero)) == 0
    assert float(CompositeLoss(reconstruction="psnr")(half, zero)["total"]) == pytest.approx(
        -0.602, abs=1e-3
    )  # -6.02 dB
    assert float(CompositeLoss(reconstruction="psnr")(zero, zero)["total"]) == pytest.approx(-5)  # 50 dB


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_a_step_against_the_gradient_comes_closer(name: Reconstruction) -> None:
    generator = torch.Generator().manual_seed(0)
    clean, restored = (torch.rand(1, 3, 64, 64, generator=generator) for _ in range(2))
    restored.requires_grad_(True)
    loss = CompositeLoss(reconstruction=name)
    before = loss(restored, clean)["total"]
    (gradient,) = torch.autograd.grad(before, restored)
    assert bool(((gradient > 0) == (restored > clean)).all())
    assert float(loss(restored.detach() - 1e-3 * gradient.sign(), clean)["total"]) < before.item()


def test_impossible_losses_are_refused() -> None:
    for wrong in ({"lambda_rec": -1}, {"lambda_rec": 0}, {"lambda_id": 1}, {"reconstruction": "lpips"}):
        with pytest.raises(InputError):
            CompositeLoss(**wrong)
    with pytest.raises(InputError, match="aligned faces"):
        CompositeLoss(lambda_id=1, identity=IdentityNetwork(Pool(), "pool"))(
            torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
        )


def test_identity_looks_at_so_many_faces_of_a_batch() -> None:
    faces = torch.rand(3, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    network = IdentityNetwork(Pool(), "pool")
    loss = CompositeLoss(lambda_id=1, identity=network, identity_faces=2)
    restored = torch.cat((faces[:2], 1 - faces[2:]))
    assert float(loss(restored, faces)["identity"]) == pytest.approx(0, abs=1e-6)
    assert float(loss(restored.flip(0), faces.flip(0))["identity"]) > 0.1
