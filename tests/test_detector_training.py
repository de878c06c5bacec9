"""The embedded detector learns, and its scenes say where the faces are."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tiny import EXAMPLES

from restoration.faces import FACE_TEMPLATE, Face, Points
from restoration.faces.detection import EMBEDDED_WEIGHTS
from restoration.faces.small_detector import CROP_TEMPLATE, EYES, Proposer, Refiner
from restoration.images import Image, read_image
from train.extras import RESULT, detector
from train.extras.detector import DetectorConfig, Layout, compose, proposer_loss, refiner_loss, train_detector
from train.loop import TRAIN_LOG

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
    first, again = (compose(FACES, LANDMARKS, layout, np.random.default_rng(1)).image for _ in range(2))
    assert np.array_equal(first, again)


def test_losses_are_zero_for_perfect_answers_and_reach_every_parameter() -> None:
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


def test_the_refiner_sees_faces_where_they_are_and_is_told_what_is_none() -> None:
    rng = np.random.default_rng(0)
    scenes = [compose(FACES, LANDMARKS, detector.LEARNT, rng) for _ in range(8)]
    nowhere = torch.full((8, 1, 5, 5, 2), 900.0) + torch.tensor(FACE_TEMPLATE)
    _, labels, targets = detector.refiner_batch(scenes, torch.zeros(8, 1, 5), nowhere, rng)
    assert int((labels == 0).sum()) >= 40
    off = (targets[labels == 1] - torch.tensor(CROP_TEMPLATE)).norm(dim=-1)  # a guess is near
    assert 0.05 * detector.CROP_EYES < float(off.mean()) < 0.4 * detector.CROP_EYES


def test_a_short_run_lowers_its_losses_and_can_be_resumed(tmp_path: Path) -> None:
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
