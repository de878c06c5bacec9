"""RetinaFace: the published network, number for number."""

import numpy as np
import pytest
import torch

from restoration.faces.retinaface import BACKBONES, RetinaFace, anchor_boxes

# Of facexlib 0.3.0's RetinaFace(backbone), float64, every parameter and buffer of N values filled with
# sin(arange(N)) / 10 (running variances: 1 + sin / 10), on the picture below: mean of boxes, landmarks and scores over
# all anchors, in pixels with the corner of the picture at 0.
GOLDEN = {
    "mobile0.25": [
        17.201061,
        7.257895,
        78.414922,
        68.128251,
        48.121868,
        37.720185,
        47.941078,
        37.32583,
        47.94143,
        37.803903,
        48.277294,
        37.464056,
        47.57847,
        37.276816,
        0.492199,
    ],
    "resnet50": [
        18.099452,
        7.136532,
        78.116219,
        68.030235,
        47.591373,
        37.336127,
        48.153622,
        37.715206,
        48.063836,
        37.669345,
        48.006996,
        37.231268,
        47.721142,
        37.772564,
        0.502058,
    ],
}


def fill(network: torch.nn.Module) -> None:
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                wave = torch.sin(torch.arange(value.numel(), dtype=value.dtype)).reshape(value.shape) / 10
                value.copy_(wave + (1 if name.endswith(("running_var",)) else 0))


def picture() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(70.0), torch.arange(90.0), indexing="ij")
    return torch.stack([(x + y) / 160, (x * y) % 7 / 7, torch.sin(x / 5) / 2 + 0.5])[None].double()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_computes_what_facexlib_computes(backbone: str) -> None:
    network = RetinaFace(backbone).double().eval()  # type: ignore[arg-type]
    fill(network)
    with torch.inference_mode():
        boxes, landmarks, scores = network(picture())
    found = [*(boxes[0] + 0.5).mean(0).tolist(), *(landmarks[0] + 0.5).mean(0).flatten().tolist(), float(scores.mean())]
    np.testing.assert_allclose(found, GOLDEN[backbone], rtol=1e-5)


def test_anchors_stand_in_the_middle_of_their_cells() -> None:
    anchors = anchor_boxes(64, 32)
    assert len(anchors) == 2 * (8 * 4 + 4 * 2 + 2 * 1)
    assert anchors[0].tolist() == [4, 4, 16]
    assert anchors[1].tolist() == [4, 4, 32]
    assert anchors[-1].tolist() == [16, 48, 512]
