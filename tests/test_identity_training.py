"""Training the recogniser: the student follows its teacher, resumes exactly, and says what is wrong."""

import copy
import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import Pool

from restoration.images import Image, InputError, write_png
from restoration.measure.recogniser import CROP_SIZE, MARGIN, embed, load_recogniser
from train.extras import identity
from train.extras.identity import (
    Apprentice,
    IdentityConfig,
    Lesson,
    augment,
    batch,
    blend,
    main,
    move,
    read_crops,
    train,
)
from train.extras.teacher import Answers

SMALL = IdentityConfig(steps=4, batch=4, save_every=2, warmup=1)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    torch.manual_seed(0)
    crops = torch.nn.functional.interpolate(torch.rand(8, 3, 7, 7), size=(CROP_SIZE, CROP_SIZE), mode="bicubic")
    crops = (crops + crops.flip(-1)) / 2  # a face and its mirror image are one person
    targets = torch.nn.functional.normalize(torch.randn(8, 256), dim=1)
    maps = [torch.nn.functional.adaptive_avg_pool2d(crops, 12).half(), torch.randn(8, 5, 6, 6).half()]
    return Lesson((crops.clamp(0, 1) * 255).byte(), Answers(targets, maps))


def test_the_student_comes_to_agree_with_the_teacher(lesson: Lesson, tmp_path: Path) -> None:
    config = IdentityConfig(steps=20, batch=8, warmup=2, save_every=20, degraded=0.25)
    student = train(config, lesson, lesson, tmp_path)
    with torch.inference_mode():
        cosine = (embed(student, lesson.crops.float() / 255) * lesson.answers.targets).sum(1).mean()
    assert float(cosine) > 0.4  # random directions of 256 dimensions: 0 ± 0.06
    with (tmp_path / identity.LOG).open() as file:
        assert all(float(row["misses"]) < 1 for row in csv.DictReader(file))  # 1 is to answer the mean map always


def test_maps_teach_the_stages_of_their_size(lesson: Lesson) -> None:
    model = Apprentice(lesson)
    _, seen = model(torch.rand(2, 3, CROP_SIZE, CROP_SIZE))
    assert [x.shape for x in seen] == [(2, 3, 12, 12), (2, 5, 6, 6)]
    maps = [x[:2].float() for x in lesson.answers.maps]
    right = [(y - model.get_buffer(f"mean{i}")) / model.get_buffer(f"spread{i}") for i, y in enumerate(maps, 1)]
    assert float(model.misses(right, maps)) == 0
    means = [torch.zeros_like(y) for y in maps]
    assert float(model.misses(means, maps)) == pytest.approx(1, abs=0.5)


def test_maps_move_with_their_crops(lesson: Lesson) -> None:
    ramp = torch.linspace(0, 255, CROP_SIZE).byte().expand(8, 3, CROP_SIZE, CROP_SIZE).contiguous()
    inner = ramp[..., MARGIN:-MARGIN, MARGIN:-MARGIN].float() / 255
    seen = torch.nn.functional.adaptive_avg_pool2d(inner, 12)
    config = IdentityConfig(batch=8, degraded=0)
    generator = torch.Generator().manual_seed(1)
    crops, matrices = augment(ramp, generator)
    _, answers = batch(Lesson(ramp, Answers(lesson.answers.targets, [seen.half()])), config, 0)
    plain = move(ramp.float() / 255, matrices)  # as ``augment`` moves, without its colours
    assert crops.shape == plain.shape
    moved = torch.nn.functional.adaptive_avg_pool2d(plain[..., MARGIN:-MARGIN, MARGIN:-MARGIN], 12)
    matrices[:, :, 2] *= CROP_SIZE / (CROP_SIZE - 2 * MARGIN)
    core = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # beyond the border nothing is known
    torch.testing.assert_close(move(seen, matrices)[core], moved[core], atol=0.01, rtol=0)
    assert answers.maps[0].shape == seen.shape


def test_a_stopped_run_ends_with_the_same_weights(
    lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = train(SMALL, lesson, lesson, tmp_path / "straight")
    real, calls = identity.batch, []

    def killed(*arguments: object) -> tuple[torch.Tensor, Answers]:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(identity, "batch", killed)
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, lesson, lesson, tmp_path / "stopped")
    monkeypatch.setattr(identity, "batch", real)
    resumed = train(SMALL, lesson, lesson, tmp_path / "stopped")
    for a, b in zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with (tmp_path / "stopped" / identity.LOG).open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4"]
    with pytest.raises(InputError, match="other settings"):
        train(IdentityConfig(steps=5), lesson, lesson, tmp_path / "stopped")


def test_batches_are_functions_of_seed_and_step(lesson: Lesson) -> None:
    first, again = batch(lesson, SMALL, 3), batch(copy.deepcopy(lesson), SMALL, 3)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1].targets, again[1].targets)
    assert all(torch.equal(a, b) for a, b in zip(first[1].maps, again[1].maps, strict=True))
    assert not torch.equal(first[0], batch(lesson, SMALL, 4)[0])


def test_augmented_and_blended_crops_are_pictures(lesson: Lesson) -> None:
    generator = torch.Generator().manual_seed(0)
    views, matrices = augment(lesson.crops, generator)
    assert matrices.shape == (8, 2, 3)
    assert views.shape == lesson.crops.shape
    assert 0 <= float(views.min()) <= float(views.max()) <= 1
    mixed = blend(lesson.crops, 5, generator)
    assert mixed.shape == (5, 3, CROP_SIZE, CROP_SIZE)
    assert mixed.dtype == torch.uint8
    same = blend(lesson.crops[:1], 3, generator)  # whoever is mixed with themselves is only bent
    assert float((same.float() - lesson.crops[:1].float()).abs().mean()) < 20
    flat = torch.arange(0, 200, 50, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, CROP_SIZE, CROP_SIZE)
    assert torch.equal(blend(flat[1:2], 3, generator), flat[1:2].expand(3, -1, -1, -1))
    spread = blend(flat, 40, generator).flatten(1).float().std(1)
    assert float((spread > 10).float().mean()) > 0.3  # patches of one in the other


def test_half_of_a_batch_is_of_nobody(lesson: Lesson) -> None:
    crops = torch.zeros(24, 3, CROP_SIZE, CROP_SIZE, dtype=torch.uint8)
    crops[20:] = 128
    answers = Answers(torch.zeros(24, 256), [])
    views, _ = batch(Lesson(crops, answers, blends=4), IdentityConfig(batch=200, degraded=0), 0)
    assert float((views.mean((1, 2, 3)) > 0.2).float().mean()) == pytest.approx(0.5, abs=0.12)
    views, _ = batch(Lesson(crops[:20], Answers(answers.targets[:20], [])), IdentityConfig(batch=20, degraded=0), 0)
    assert float(views.max()) < 0.01


def test_people_are_told_apart_by_name(tmp_path: Path) -> None:
    picture: Image = np.random.default_rng(0).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), np.uint8)
    for name in ("Ada_Lovelace_0001", "Ada_Lovelace_0002", "Alan_Turing_0001"):
        write_png(picture, tmp_path / f"{name}.png")
    crops, people = read_crops([str(tmp_path)], [])
    assert crops.shape == (3, 3, CROP_SIZE, CROP_SIZE)
    assert people == ["Ada_Lovelace_", "Ada_Lovelace_", "Alan_Turing_"]
    write_png(picture[:100], tmp_path / "odd.png")
    with pytest.raises(InputError, match="112×112"):
        read_crops([str(tmp_path)], [])


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
    assert main(["--teacher", str(teacher), "--out", str(out)]) == 2
    assert "--crops" in capsys.readouterr().err
    assert main(["--faces", "examples", "--teacher", str(tmp_path / "none.pt"), "--out", str(tmp_path / "b")]) == 2
    assert "does not exist" in capsys.readouterr().err


class Wide(Pool):
    """``Pool`` with as many dimensions as the student has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x - 0.5, (16, 16)).mean(1).flatten(1)
