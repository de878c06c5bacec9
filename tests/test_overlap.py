"""torchvision's own function is the reference."""

import torch
from torchvision.ops import nms as reference

from restoration.faces.overlap import nms


def test_the_kept_boxes_are_torchvisions() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in (1, 2, 30, 400):
        corners = 100 * torch.rand(count, 2, generator=generator)
        boxes = torch.cat((corners, corners + 5 + 30 * torch.rand(count, 2, generator=generator)), dim=1)
        scores = torch.rand(count, generator=generator).mul(20).round() / 20  # with equal ones
        for most in (0.0, 0.3, 0.6, 1.0):
            kept = nms(boxes, scores, most)
            assert kept.tolist() == reference(boxes, scores, most).tolist()
            assert count < 400 or most == 1 or len(kept) < count


def test_no_box_and_the_threshold_itself() -> None:
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
    halves = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1]])  # they share one half of their union
    assert nms(halves, torch.tensor([0.1, 0.9]), 0.5).tolist() == [1, 0]
    assert nms(halves, torch.tensor([0.1, 0.9]), 0.49).tolist() == [1]
