"""The recogniser: it follows its teacher, agrees with it, and its angles are given a meaning."""

import json
import re
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import EXAMPLES, Pool
from torch.nn import functional as F

from restoration.images import Image, InputError, read_image, write_png
from restoration.measure.identity import EMBEDDED, read_bands
from restoration.measure.recogniser import CROP_SIZE, Recogniser, embed, load_recogniser, save_recogniser
from train.extras import identity, verification
from train.extras.identity import IdentityConfig, Lesson, batch, read_crops, train
from train.loop import TRAIN_LOG, VALIDATION_LOG


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    torch.manual_seed(0)
    crops = F.interpolate(torch.rand(8, 3, 7, 7), size=(CROP_SIZE, CROP_SIZE), mode="bicubic")
    return Lesson((crops.clamp(0, 1) * 255).byte(), F.normalize(torch.randn(8, 256), dim=1))


def test_the_student_comes_to_agree_with_the_teacher_and_resumes(lesson: Lesson, tmp_path: Path) -> None:
    config = IdentityConfig(steps=20, batch=8, warmup=2, log_every=10, save_every=10, degraded=0.25)
    student = train(config, lesson, lesson, tmp_path)
    with torch.inference_mode():
        cosine = (embed(student, lesson.crops.float() / 255) * lesson.targets).sum(1).mean()
    assert float(cosine) > 0.4  # random directions of 256 dimensions: 0 ± 0.06
    first, last = pd.read_csv(tmp_path / TRAIN_LOG)["total"]
    assert last < first
    *_, measured = pd.read_csv(tmp_path / VALIDATION_LOG)["clean_cosine"]
    assert measured == pytest.approx(float(cosine), abs=1e-3)
    again = train(config, lesson, lesson, tmp_path).state_dict()  # from its checkpoint, which is its end
    assert all(torch.equal(value, again[name]) for name, value in student.state_dict().items())


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


class Wide(Pool):
    """``Pool`` with as many dimensions as the student has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(x - 0.5, (16, 16)).mean(1).flatten(1)


def test_the_command_trains_from_faces_and_says_what_is_wrong(tmp_path: Path, capsys) -> None:
    teacher, out = tmp_path / "pool.pt", tmp_path / "run"
    torch.jit.script(Wide()).save(str(teacher))
    arguments = ["--faces", "examples", "--teacher", str(teacher), "--out", str(out), "--held-out", "2"]
    assert identity.main([*arguments, "--steps", "2", "--batch", "2", "--save-every", "2"]) == 0
    assert load_recogniser(out / "weights").embed.out_features == 256
    slow = ["--steps", "1", "--batch", "2", "--learning-rate", "1e-9", "--weight-decay", "0"]
    assert identity.main([*arguments, *slow, "--out", str(tmp_path / "next"), "--init", str(out / "weights")]) == 0
    before, after = (load_recogniser(folder / "weights").embed.weight for folder in (out, tmp_path / "next"))
    assert torch.allclose(before, after, atol=1e-4)  # begun where the run before ended
    absent = ["--faces", "examples", "--teacher", str(tmp_path / "none.pt"), "--out", str(tmp_path / "b")]
    for wrong, message in (
        ([*arguments, "--blends", "0", "--steps", "2"], "belongs to other pictures"),
        (["--teacher", str(teacher), "--out", str(out)], "--crops"),
        (absent, "does not exist"),
    ):
        assert identity.main(wrong) == 2
        assert message in capsys.readouterr().err


def test_a_network_agrees_with_itself_and_not_with_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "agreement.json"
    given = ["--teacher", str(EMBEDDED), "--faces", f"examples={EXAMPLES}"]
    assert verification.main([*given, "--out", str(out)]) == 0
    assert re.search(r"\| examples \| 2 \| 1\.0+ ±", capsys.readouterr().out)
    facts = json.loads(out.read_text())
    assert (facts["network"], facts["teacher"]) == ("embedded_recogniser", "embedded_recogniser")
    assert [(each["set"], each["pictures"]) for each in facts["sets"]] == [("examples", 2)]
    torch.manual_seed(0)
    save_recogniser(tmp_path / "other", Recogniser().eval(), {})  # has not learned anything
    assert verification.main([*given, "--identity", str(tmp_path / "other")]) == 0
    [mean] = re.findall(r"\| examples \| 2 \| (-?[\d.]+) ±", capsys.readouterr().out)
    assert abs(float(mean)) < 0.5
    torch.jit.script(Pool()).save(str(tmp_path / "pool.torchscript.pt"))
    for wrong, message in (
        (given[:2], "Give either"),
        ([*given[:3], "examples"], "NAME=FOLDER"),
        ([*given[:3], "a=/nowhere"], "/nowhere"),
        ([*given, "--identity", str(tmp_path / "pool.torchscript.pt")], "48 numbers a face"),
    ):
        assert verification.main(wrong) == 2
        assert message in capsys.readouterr().err


def test_separated_angles_are_told_right_and_mixed_ones_half_the_time() -> None:
    rng = np.random.default_rng(0)
    same = np.repeat([True, False], 100)
    apart = np.concatenate([rng.uniform(20, 50, 100), rng.uniform(70, 110, 100)])
    bands, error = verification.verify(apart, same, "net")
    assert (bands.accuracy, error) == (1.0, 0.0)
    assert 45 < bands.threshold < 75
    np.testing.assert_allclose(bands.same, np.percentile(apart[:100], (5, 50, 95)), atol=0.01)
    np.testing.assert_allclose(bands.different, np.percentile(apart[100:], (5, 50, 95)), atol=0.01)
    mixed, _ = verification.verify(rng.uniform(20, 110, 2000), np.tile([True, False], 1000), "net")
    assert 0.42 < mixed.accuracy < 0.58  # the threshold is chosen on other pairs: chance stays chance


def test_command_measures_pairs_of_photographs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two people, each in five light versions on a larger canvas: the aligned faces must be what is compared."""
    rng, photos = np.random.default_rng(0), tmp_path / "images"
    photos.mkdir()
    names = {person: [f"{person}{index}.png" for index in range(5)] for person in ("eileen_collins", "grace_hopper")}
    for person, files in names.items():
        face = read_image(EXAMPLES / f"{person}.png")
        for index, name in enumerate(files):
            left, top = (int(value) for value in rng.integers(5, 40, 2))
            photo = np.full((560, 560, 3), rng.integers(0, 256), np.uint8)  # what is around the face must not count
            if name != "grace_hopper4.png":  # which shows no face
                photo[top : top + 512, left : left + 512] = (face * (1 - 0.01 * index)).astype(np.uint8)
            write_png(photo, photos / name)
    pairs: list[tuple[object, ...]] = [(*pair, 1) for files in names.values() for pair in combinations(files, 2)]
    pairs += [(*pair, 0) for pair in product(*names.values())]
    pd.DataFrame(pairs, columns=["a", "b", "same"]).to_csv(tmp_path / "pairs.csv", index=False)
    torch.jit.script(Pool()).save(str(tmp_path / "pool.torchscript.pt"))

    out = tmp_path / "new" / "pool.verification.json"
    common = ["--pairs", str(tmp_path / "pairs.csv"), "--identity", str(tmp_path / "pool.torchscript.pt")]
    assert verification.main([*common, "--out", str(out)]) == 0
    bands = read_bands(out, "pool")
    assert bands is not None
    assert bands.accuracy == 1
    assert bands.same[2] < bands.threshold < bands.different[0]
    assert bands.pairs == len(pairs) - sum("grace_hopper4.png" in pair for pair in pairs) == 36
    assert json.loads(out.read_text())["network"] == "pool"
    assert "no face found in 1 photos" in capsys.readouterr().out

    assert verification.main([*common, "--detector", "nobody"]) == 2
    assert "no detector" in capsys.readouterr().err
    assert verification.main([*common[:-1], "nowhere.pt"]) == 2
    (tmp_path / "pairs.csv").write_text("x,y\n1,2\n")
    assert verification.main(common) == 2
    assert "columns a, b and same" in capsys.readouterr().err
