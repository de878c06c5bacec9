"""Training data: faces are read as they are, and every draw is a function of seed and step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import EXAMPLES

from restoration.images import InputError, read_image, write_png
from restoration.protocols import BLIND, Protocol
from train.data import Faces, TrainingBatches, degraded_face, load_faces


def test_faces_are_read_as_they_are(faces: Faces) -> None:
    assert faces.names == ("eileen_collins.png", "grace_hopper.png")
    assert np.array_equal(faces.images[0].permute(1, 2, 0).numpy(), read_image(EXAMPLES / "eileen_collins.png"))


def test_other_sizes_are_resized_and_other_shapes_refused(tmp_path: Path) -> None:
    face = read_image(EXAMPLES / "eileen_collins.png")
    (tmp_path / "person").mkdir()
    write_png(face[::2, ::2], tmp_path / "person" / "half.png")
    loaded = load_faces([tmp_path])
    assert loaded.images.shape == (1, 3, 512, 512)
    assert loaded.names == ("person/half.png",)
    write_png(face[:400], tmp_path / "wide.png")
    with pytest.raises(InputError, match=r"wide\.png is 512×400"):
        load_faces([tmp_path])


def test_folders_without_faces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        load_faces([tmp_path / "missing"])
    with pytest.raises(InputError, match="No pictures"):
        load_faces([tmp_path])


def test_a_limit_is_spread_over_the_sorted_names(tmp_path: Path) -> None:
    for i in range(6):
        write_png(np.full((256, 256, 3), 10 * i, np.uint8), tmp_path / f"{i}.png")
    loaded = load_faces([tmp_path], limit=3)
    assert loaded.names == ("0.png", "2.png", "4.png")
    assert loaded.images[:, 0, 0, 0].tolist() == [0, 20, 40]
    assert len(load_faces([tmp_path], limit=7)) == 6


def test_batches_are_functions_of_seed_and_step(faces: Faces) -> None:
    def batches(seed: int) -> TrainingBatches:
        return TrainingBatches(faces, batch=3, crop=64, degradations=BLIND, seed=seed)

    straight, jumped = batches(0), batches(0)
    straight(0), straight(1)
    for a, b in zip(straight(2), jumped(2), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(batches(0)(2)[1], batches(1)(2)[1])
    degraded, clean = straight(2)
    assert degraded.shape == clean.shape == (3, 3, 64, 64)
    assert float((degraded - clean).abs().mean()) > 0


def test_an_epoch_shows_every_face_once() -> None:
    images = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 3, 512, 512)
    batches = TrainingBatches(Faces(images, ("x",) * 10), batch=5, crop=512, degradations=Protocol(), seed=0)
    seen = torch.cat([batches(step)[1][:, 0, 0, 0] * 255 for step in range(4)]).round().int().tolist()
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_measured_faces_do_not_depend_on_what_else_is_measured(faces: Faces) -> None:
    alone = Faces(faces.images[1:], faces.names[1:])
    assert torch.equal(degraded_face(faces, 1, "blind", BLIND)[0], degraded_face(alone, 0, "blind", BLIND)[0])


def test_a_picture_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    write_png(read_image(EXAMPLES / "eileen_collins.png")[::4, ::4], tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png is 128 pixels"):
        load_faces([tmp_path])
    (tmp_path / "small.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"small\.png"):
        load_faces([tmp_path])
