"""A teacher's graph is opened: the embeddings stay its own, and the maps are its residual sums."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from restoration.images import InputError
from restoration.measure.recogniser import CROP_SIZE
from train.extras.teacher import SIZES, Teacher


class Sums(nn.Module):
    """Three residual sums, of 28, 14 and 14 pixels, and sums with weights and numbers that are none."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.body = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 3, padding=1)
        self.down, self.bias = nn.Conv2d(4, 6, 2, 2), nn.Parameter(torch.rand(6, 1, 1))
        self.last = nn.Conv2d(6, 6, 3, padding=1)

    def sums(self, x: torch.Tensor) -> list[torch.Tensor]:
        first = self.stem(x)
        first = first + self.body(first)
        second = self.down(first) + self.bias + 1
        third = second + self.last(second)
        return [first, third, third + self.last(third)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.sums(x)[-1].mean((2, 3))


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Sums]:
    network = Sums().eval()
    torch.jit.trace(network, torch.rand(1, 3, CROP_SIZE, CROP_SIZE)).save(str(tmp_path / "teacher.pt"))
    return tmp_path / "teacher.pt", network


def test_it_says_and_shows_what_the_network_does(saved: tuple[Path, Sums]) -> None:
    path, network = saved
    crops = torch.rand(3, 3, CROP_SIZE, CROP_SIZE)
    embeddings, maps = Teacher(path)(crops)
    with torch.inference_mode():
        torch.testing.assert_close(embeddings, F.normalize(network(crops), dim=1))
        last = network.sums(crops)[-1]
    for seen, size in zip(maps, SIZES, strict=True):
        torch.testing.assert_close(seen, F.interpolate(last, size=(size, size), mode="bilinear", antialias=True))


def test_answers_are_kept_for_every_crop(saved: tuple[Path, Sums]) -> None:
    crops = (torch.rand(35, 3, CROP_SIZE, CROP_SIZE) * 255).byte()  # more than one batch
    teacher = Teacher(saved[0])
    answers = teacher.answer(crops, "test")
    assert answers.targets.shape == (35, 6)
    assert [(x.shape, x.dtype) for x in answers.maps] == [((35, 6, size, size), torch.float16) for size in SIZES]
    torch.testing.assert_close(answers.targets[33:], teacher(crops[33:].float() / 255)[0])


def test_a_network_without_sums_only_speaks(tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Conv2d(3, 8, 7, 7), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    torch.jit.trace(plain, torch.rand(1, 3, CROP_SIZE, CROP_SIZE)).save(str(tmp_path / "plain.pt"))
    embeddings, maps = Teacher(tmp_path / "plain.pt")(torch.rand(2, 3, CROP_SIZE, CROP_SIZE))
    assert (embeddings.shape, maps) == ((2, 8), [])
    with pytest.raises(InputError, match="does not exist"):
        Teacher(tmp_path / "none.pt")
