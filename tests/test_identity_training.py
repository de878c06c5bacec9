"""Training the recogniser: the student follows its teacher, and what is wrong is said."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import Pool
from torch.nn import functional as F

from restoration.images import Image, InputError, write_png
from restoration.measure.recogniser import CROP_SIZE, embed, load_recogniser
from train.extras.identity import IdentityConfig, Lesson, batch, main, read_crops, train
from train.extras.session import LOG


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    torch.manual_seed(0)
    crops = F.interpolate(torch.rand(8, 3, 7, 7), size=(CROP_SIZE, CROP_SIZE), mode="bicubic")
    return Lesson((crops.clamp(0, 1) * 255).byte(), F.normalize(torch.randn(8, 256), dim=1))


def test_the_student_comes_to_agree_with_the_teacher_and_resumes(lesson: Lesson, tmp_path: Path) -> None:
    config = IdentityConfig(steps=20, batch=8, warmup=2, save_every=10, degraded=0.25)
    student = train(config, lesson, lesson, tmp_path)
    with torch.inference_mode():
        cosine = (embed(student, lesson.crops.float() / 255) * lesson.targets).sum(1).mean()
    assert float(cosine) > 0.4  # random directions of 256 dimensions: 0 ± 0.06
    with (tmp_path / LOG).open() as file:
        first, last = csv.DictReader(file)
    assert float(last["distance"]) < float(first["distance"])
    assert float(last["clean_cosine"]) == pytest.approx(float(cosine), abs=1e-3)
    again = train(config, lesson, lesson, tmp_path)  # from its checkpoint, which is its end
    assert all(
        torch.equal(a, b) for a, b in zip(student.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_batches_are_functions_of_seed_and_step_and_half_of_nobody(lesson: Lesson) -> None:
    config = IdentityConfig(batch=4)
    first, again = batch(lesson, config, 3), batch(lesson, config, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], batch(lesson, config, 4)[0])
    assert not torch.equal(first[0], batch(lesson, replace(config, seed=1), 3)[0])
    crops = torch.zeros(24, 3, CROP_SIZE, CROP_SIZE, dtype=torch.uint8)
    crops[20:] = 128
    config = IdentityConfig(batch=200, degraded=0)
    views, _ = batch(Lesson(crops, torch.zeros(24, 256), blends=4), config, 0)
    assert float((views.mean((1, 2, 3)) > 0.2).float().mean()) == pytest.approx(0.5, abs=0.12)
    views, _ = batch(Lesson(crops[:20], torch.zeros(20, 256)), config, 0)
    assert float(views.max()) < 0.01


def test_people_are_told_apart_by_name(tmp_path: Path) -> None:
    picture: Image = np.random.default_rng(0).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), np.uint8)
    for name in ("Ada_Lovelace_0001", "Ada_Lovelace_0002", "Alan_Turing_0001"):
        write_png(picture, tmp_path / f"{name}.png")
    crops, people = read_crops([str(tmp_path)])
    assert crops.shape == (3, 3, CROP_SIZE, CROP_SIZE)
    assert people == ["Ada_Lovelace_", "Ada_Lovelace_", "Alan_Turing_"]
    write_png(picture[:100], tmp_path / "odd.png")
    with pytest.raises(InputError, match="112×112"):
        read_crops([str(tmp_path)])


def test_the_command_trains_from_faces_and_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher, out = tmp_path / "pool.pt", tmp_path / "run"
    torch.jit.script(Wide()).save(str(teacher))
    arguments = ["--faces", "examples", "--teacher", str(teacher), "--out", str(out), "--held-out", "2"]
    assert main([*arguments, "--steps", "2", "--batch", "2", "--save-every", "2"]) == 0
    assert load_recogniser(out / "weights").embed.out_features == 256
    slow = ["--steps", "1", "--batch", "2", "--learning-rate", "1e-9", "--weight-decay", "0"]
    assert main([*arguments, *slow, "--out", str(tmp_path / "next"), "--init", str(out / "weights")]) == 0
    before, after = (load_recogniser(folder / "weights").embed.weight for folder in (out, tmp_path / "next"))
    assert torch.allclose(before, after, atol=1e-4)  # begun where the run before ended
    assert main([*arguments, "--blends", "0", "--steps", "2"]) == 2
    assert "belongs to other pictures" in capsys.readouterr().err
    assert main(["--teacher", str(teacher), "--out", str(out)]) == 2
    assert "--crops" in capsys.readouterr().err
    assert main(["--faces", "examples", "--teacher", str(tmp_path / "none.pt"), "--out", str(tmp_path / "b")]) == 2
    assert "does not exist" in capsys.readouterr().err


class Wide(Pool):
    """``Pool`` with as many dimensions as the student has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(x - 0.5, (16, 16)).mean(1).flatten(1)
