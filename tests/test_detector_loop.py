"""The embedded detector learns, and its scenes say where the faces are."""

import numpy as np
import torch
from tiny import EXAMPLES

from restoration.faces.alignment import FACE_TEMPLATE
from restoration.faces.small_detector import EYES, Proposer, Refiner
from restoration.images import Image, read_image
from train.extras.detector_loop import DetectorConfig, proposer_loss, refiner_loss, train_detector
from train.extras.scenes import Composer, Layout, photographs

FACES: list[Image] = [np.ascontiguousarray(read_image(path)[::2, ::2]) for path in sorted(EXAMPLES.glob("*.png"))]
LANDMARKS = np.stack([FACE_TEMPLATE, FACE_TEMPLATE])
LAYOUT = Layout(width=320, height=240, eyes=(15, 40), count=(3, 5), spoil=0)


def test_a_scene_holds_its_faces_where_it_says() -> None:
    rng, scores = np.random.default_rng(0), []
    composer = Composer(FACES, LANDMARKS)
    for _ in range(10):
        scene = composer.compose(LAYOUT, rng)
        assert scene.image.shape == (240, 320, 3)
        assert len(scene.landmarks) == len(scene.names) >= 1
        for points in scene.landmarks:
            eyes = np.linalg.norm(points[1] - points[0])
            assert 14 < eyes < 41
            # Eyes are darker than the cheek between eye and mouth corner, at their places alone.
            levels = scene.image.mean(axis=2)
            at = [levels[round(y), round(x)] for x, y in ((points[0] + points[3]) / 2, points[0])]
            scores.append(at[0] > at[1])
    assert np.mean(scores) > 0.8


def test_scenes_repeat_by_their_seed() -> None:
    composer = Composer(FACES, LANDMARKS)
    first, again, other = (composer.compose(LAYOUT, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.landmarks, again.landmarks)
    assert not np.array_equal(first.image, other.image)


def test_backgrounds_need_no_network() -> None:
    for picture in photographs():
        assert picture.ndim == 3
        assert picture.dtype == np.uint8


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


def test_a_short_run_lowers_its_losses(capsys) -> None:
    _, _, facts = train_detector(FACES, LANDMARKS, DetectorConfig(steps=16, batch=4, seed=0), report_every=4)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    totals = [sum(map(float, line.rsplit(": ", 1)[1].split())) for line in lines]
    assert len(totals) == 4
    assert totals[-1] < totals[0]
    assert facts["faces"] == 2
