"""The side networks: detector and recogniser learn, and what measures them tells the truth."""

import json
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny import EXAMPLES, Pool
from torch.nn import functional as F

from restoration.faces import FACE_TEMPLATE, Face, Points
from restoration.faces.detection import EMBEDDED_WEIGHTS
from restoration.faces.small_detector import EYES, Proposer, Refiner
from restoration.images import Image, read_image, write_png
from restoration.measure.identity import EMBEDDED, read_bands
from restoration.measure.recogniser import CROP_SIZE, Recogniser, load_recogniser
from train.data import Faces
from train.extras import RESULT, detector, identity, save_halves, verification
from train.extras.detector import DetectorConfig, Layout, compose, proposer_loss, refiner_loss, train_detector
from train.extras.identity import IdentityConfig, ask, crops_of
from train.loop import TRAIN_LOG, VALIDATION_LOG

FACES: list[Image] = [np.ascontiguousarray(read_image(path)[::2, ::2]) for path in sorted(EXAMPLES.glob("*.png"))]
LANDMARKS = np.stack([FACE_TEMPLATE, FACE_TEMPLATE])


def test_a_scene_holds_its_faces_where_it_says() -> None:
    rng, layout, scores = np.random.default_rng(0), Layout((240, 320), (15, 40), (3, 5)), []
    for _ in range(10):
        scene = compose(FACES, LANDMARKS, layout, rng)
        assert scene.image.shape == (240, 320, 3)
        assert len(scene.landmarks) >= 1
        for points in scene.landmarks:
            assert 14 < np.linalg.norm(points[1] - points[0]) < 41
            # Eyes are darker than the cheek between eye and mouth corner, at their places alone.
            levels = scene.image.mean(axis=2)
            at = [levels[round(y), round(x)] for x, y in ((points[0] + points[3]) / 2, points[0])]
            scores.append(at[0] > at[1])
    assert np.mean(scores) > 0.8


def test_the_detectors_losses_are_zero_for_perfect_answers_and_reach_every_parameter() -> None:
    truth = (FACE_TEMPLATE - FACE_TEMPLATE.mean(axis=0)) * (EYES / 125.92) + (35.5, 27.5)
    logits = torch.full((1, 8, 9), -20.0)
    points = torch.tensor(truth, dtype=torch.float32).expand(1, 8, 9, 5, 2)
    logits[0, 3, 4] = 20.0  # the cell around (35.5, 27.5)
    score, place = proposer_loss(logits, points, [truth[None]])
    assert float(score) < 1e-3
    assert float(place) == 0
    proposer, refiner = Proposer(), Refiner()
    first = proposer_loss(*proposer(torch.rand(1, 3, 64, 72)), [truth[None]])
    second = refiner_loss(refiner(torch.rand(2, 3, 64, 64)), torch.tensor([1.0, 0.0]), torch.zeros(2, 5, 2))
    torch.stack([*first, *second]).sum().backward()
    assert all(parameter.grad is not None for network in (proposer, refiner) for parameter in network.parameters())


def test_a_short_run_of_the_detector_lowers_its_losses_and_can_be_resumed(tmp_path: Path) -> None:
    config = DetectorConfig(steps=16, batch=4, warmup=1, log_every=4, save_every=8)
    networks = train_detector(FACES, LANDMARKS, config, tmp_path, {"teacher": "known"})
    first, *_, last = pd.read_csv(tmp_path / TRAIN_LOG)["total"]
    assert last < first
    facts = json.loads((tmp_path / RESULT / "training.json").read_text())
    assert (facts["faces"], facts["step"], facts["teacher"]) == (2, 16, "known")
    saved = load_file(tmp_path / RESULT / "model.safetensors")
    assert saved.keys() == load_file(EMBEDDED_WEIGHTS).keys()
    again = train_detector(FACES, LANDMARKS, config, tmp_path, {})
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in networks.state_dict().items())


@dataclass
class Shifted:
    """Finds the faces of ``truths``, a scene at a time, each so many shares of its eyes' distance off; and one more."""

    truths: list[Points]
    off: float
    name: str = "shifted"

    def find(self, photo: Image) -> list[Face]:
        truth = self.truths.pop(0)
        moved = truth + self.off * np.linalg.norm(truth[:, :1] - truth[:, 1:2], axis=2, keepdims=True) * (1, 0)
        return [Face((0, 0, 9, 9), points, 0.9) for points in (*moved, FACE_TEMPLATE - 5000)]


def test_measuring_counts_what_is_found_missed_and_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "MEASURED", Layout((400, 600), (14, 60), (6, 9)))
    rng = np.random.default_rng(0)
    truths = [compose(FACES, LANDMARKS, detector.MEASURED, rng).landmarks for _ in range(2)]
    kinds, false = detector.measure(Shifted(list(truths), 0.1), FACES, LANDMARKS, scenes=2, seed=0)
    widths = np.concatenate([2.2 * np.linalg.norm(points[:, 1] - points[:, 0], axis=1) for points in truths])
    assert len(kinds["over 32 px"]) == (widths > 32).sum() > len(kinds["over 64 px"]) == (widths > 64).sum() > 0
    assert kinds["near-frontal over 64 px"] == kinds["over 64 px"]  # the template looks ahead
    assert kinds["over 32 px"] == pytest.approx([0.1] * len(kinds["over 32 px"]))
    assert false == 2
    missed, false = detector.measure(Shifted(list(truths), 0.5), FACES, LANDMARKS, scenes=2, seed=0)
    assert np.isinf(missed["over 32 px"]).all()
    assert false == 2 + sum(map(len, truths))


def test_the_command_measures_a_detector_and_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["measure", "--faces", str(EXAMPLES), "--teacher", "embedded", "--detectors", "embedded", "--scenes", "1"]
    assert detector.main(command) == 0
    table = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[1] for row in table[2:]] == ["over 32 px", "over 64 px", "near-frontal over 64 px"]
    assert detector.main(["measure", "--faces", "/nowhere", "--teacher", "embedded"]) == 2
    assert "/nowhere" in capsys.readouterr().err


class Wide(Pool):
    """``Pool`` with as many dimensions as the student has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(x - 0.5, (16, 16)).mean(1).flatten(1)


def test_the_student_comes_to_agree_with_the_teacher_and_resumes(faces: Faces, tmp_path: Path) -> None:
    config = IdentityConfig(steps=16, batch=6, warmup=2, log_every=8, save_every=8, degraded=0.25)
    torch.manual_seed(config.seed)
    before = (ask(Recogniser().eval(), crops_of(faces)) * ask(Wide(), crops_of(faces))).sum(1).mean()
    student = identity.train(config, faces, faces, Wide(), tmp_path)
    after = (ask(student, crops_of(faces)) * ask(Wide(), crops_of(faces))).sum(1).mean()
    assert float(after) > float(before) + 0.2
    first, last = pd.read_csv(tmp_path / TRAIN_LOG)["total"]
    assert last < first
    *_, measured = pd.read_csv(tmp_path / VALIDATION_LOG)["clean_cosine"]
    assert measured == pytest.approx(float(after), abs=1e-3)
    again = identity.train(config, faces, faces, Wide(), tmp_path).state_dict()  # from its checkpoint, which is its end
    assert all(torch.equal(value, again[name]) for name, value in student.state_dict().items())


def test_a_students_batches_are_functions_of_seed_and_step_with_blends_of_two() -> None:
    crops = torch.cat((torch.zeros(4, 3, CROP_SIZE, CROP_SIZE), torch.ones(4, 3, CROP_SIZE, CROP_SIZE)))
    for share, mixed in ((0, 0), (1, 0.5)):  # half of all pairs are one black and one white
        config = IdentityConfig(batch=100, degraded=0, blends=share)
        views, said = identity.batch(crops, Wide(), config, 0)
        grey = views.mean((1, 2, 3))
        assert float(((grey > 0.01) & (grey < 0.85)).float().mean()) == pytest.approx(mixed, abs=0.15)
    assert all(torch.equal(a, b) for a, b in zip((views, said), identity.batch(crops, Wide(), config, 0), strict=True))
    assert not torch.equal(views, identity.batch(crops, Wide(), config, 1)[0])


def test_the_command_trains_a_recogniser_and_says_what_is_wrong(tmp_path: Path, capsys) -> None:
    teacher, out = tmp_path / "pool.pt", tmp_path / "run"
    torch.jit.script(Wide()).save(str(teacher))
    arguments = ["--faces", str(EXAMPLES), "--validation", str(EXAMPLES), "--batch", "2", "--teacher"]
    assert identity.main([*arguments, str(teacher), "--out", str(out), "--steps", "2", "--save-every", "2"]) == 0
    assert load_recogniser(out / "weights").embed.out_features == 256
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
    for wrong, message in ((given[:2], "Give either"), ([*given[:3], "a=/nowhere"], "/nowhere")):
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
