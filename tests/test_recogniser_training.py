"""The recogniser: it follows its teacher, agrees with it, and its angles are given a meaning."""

import json
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import EXAMPLES, Pool
from torch.nn import functional as F

from restoration.images import read_image, write_png
from restoration.measure.identity import EMBEDDED, read_bands
from restoration.measure.recogniser import CROP_SIZE, Recogniser, load_recogniser
from train.data import Faces
from train.extras import identity, save_halves, verification
from train.extras.identity import IdentityConfig, ask, batch, crops_of, train
from train.loop import TRAIN_LOG, VALIDATION_LOG


class Wide(Pool):
    """``Pool`` with as many dimensions as the student has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(x - 0.5, (16, 16)).mean(1).flatten(1)


def test_the_student_comes_to_agree_with_the_teacher_and_resumes(faces: Faces, tmp_path: Path) -> None:
    config = IdentityConfig(steps=16, batch=6, warmup=2, log_every=8, save_every=8, degraded=0.25)
    torch.manual_seed(config.seed)
    before = (ask(Recogniser().eval(), crops_of(faces)) * ask(Wide(), crops_of(faces))).sum(1).mean()
    student = train(config, faces, faces, Wide(), tmp_path)
    after = (ask(student, crops_of(faces)) * ask(Wide(), crops_of(faces))).sum(1).mean()
    assert float(after) > float(before) + 0.2
    first, last = pd.read_csv(tmp_path / TRAIN_LOG)["total"]
    assert last < first
    *_, measured = pd.read_csv(tmp_path / VALIDATION_LOG)["clean_cosine"]
    assert measured == pytest.approx(float(after), abs=1e-3)
    again = train(config, faces, faces, Wide(), tmp_path).state_dict()  # from its checkpoint, which is its end
    assert all(torch.equal(value, again[name]) for name, value in student.state_dict().items())


def test_batches_are_functions_of_seed_and_step_and_show_what_the_teacher_is_asked_about(faces: Faces) -> None:
    crops, config = crops_of(faces), IdentityConfig(batch=4, blends=0)
    views, said = batch(crops, Wide(), config, 3)
    assert all(torch.equal(a, b) for a, b in zip((views, said), batch(crops, Wide(), config, 3), strict=True))
    assert not torch.equal(views, batch(crops, Wide(), config, 4)[0])
    assert not torch.equal(views, batch(crops, Wide(), replace(config, seed=1), 3)[0])
    people = ask(Wide(), torch.cat((crops, crops.flip(-1))))
    assert (said @ people.T).max(dim=1).values.tolist() == pytest.approx([1] * 4)
    plain = torch.cat((torch.zeros(4, 3, CROP_SIZE, CROP_SIZE), torch.ones(4, 3, CROP_SIZE, CROP_SIZE)))
    for share, mixed in ((0, 0), (1, 0.5)):  # half of all pairs are one black and one white
        config = IdentityConfig(batch=100, degraded=0, blends=share)
        grey = batch(plain, Wide(), config, 0)[0].mean((1, 2, 3))
        assert float(((grey > 0.01) & (grey < 0.85)).float().mean()) == pytest.approx(mixed, abs=0.15)


def test_the_command_trains_from_faces_and_says_what_is_wrong(tmp_path: Path, capsys) -> None:
    teacher, out = tmp_path / "pool.pt", tmp_path / "run"
    torch.jit.script(Wide()).save(str(teacher))
    arguments = ["--faces", str(EXAMPLES), "--validation", str(EXAMPLES), "--batch", "2", "--teacher"]
    assert identity.main([*arguments, str(teacher), "--out", str(out), "--steps", "2", "--save-every", "2"]) == 0
    assert load_recogniser(out / "weights").embed.out_features == 256
    slow = ["--steps", "1", "--learning-rate", "1e-9", "--weight-decay", "0", "--init", str(out / "weights")]
    assert identity.main([*arguments, str(teacher), *slow, "--out", str(tmp_path / "next")]) == 0
    before, after = (load_recogniser(folder / "weights").embed.weight for folder in (out, tmp_path / "next"))
    assert torch.allclose(before, after, atol=1e-4)  # begun where the run before ended
    assert identity.main([*arguments, str(tmp_path / "none.pt"), "--out", str(tmp_path / "b")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_network_agrees_with_itself_and_not_with_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "agreement.json"
    given = ["--teacher", str(EMBEDDED), "--faces", f"examples={EXAMPLES}"]
    torch.manual_seed(0)
    save_halves(tmp_path / "other", Recogniser().eval(), {}, "training.json")  # has not learned anything
    for network, low, high in ((EMBEDDED, 0.999, 1.001), (tmp_path / "other", -0.5, 0.5)):
        assert verification.main([*given, "--identity", str(network), "--out", str(out)]) == 0
        facts = json.loads(out.read_text())
        assert (facts["network"], facts["teacher"]) == (network.name, "embedded_recogniser")
        [measured] = facts["sets"]
        assert (measured["set"], measured["pictures"]) == ("examples", 2)
        assert low < measured["mean"] < high
        assert f"| examples | 2 | {measured['mean']:.4f} ±" in capsys.readouterr().out
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
        for index, name in enumerate(files):
            left, top = rng.integers(5, 20, 2)
            photo = np.full((280, 280, 3), rng.integers(0, 256), np.uint8)  # what is around the face must not count
            if name != "grace_hopper4.png":  # which shows no face
                face = read_image(EXAMPLES / f"{person}.png")[::2, ::2] * (1 - 0.01 * index)
                photo[top : top + 256, left : left + 256] = face.astype(np.uint8)
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
    assert (bands.accuracy, bands.network) == (1, "pool")
    assert bands.same[2] < bands.threshold < bands.different[0]
    assert bands.pairs == len(pairs) - sum("grace_hopper4.png" in pair for pair in pairs) == 36
    assert "no face found in 1 photos" in capsys.readouterr().out
    (tmp_path / "pairs.csv").write_text("x,y\n1,2\n")
    assert verification.main(common) == 2
    assert "columns a, b and same" in capsys.readouterr().err
