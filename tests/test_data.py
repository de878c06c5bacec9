"""Training data: faces are read as they are, and every draw is a function of seed and step."""

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tiny import EXAMPLES

from restoration.degrade import degrade
from restoration.degrade.protocols import BLIND, HEAVY, ORIGINAL, ORIGINAL_ALL, Distribution, Mixture
from restoration.images import InputError, read_image, write_png
from restoration.measure.metrics import psnr
from restoration.network import reduce
from train.batches import FaceSquares, Jitter, Order, Recipe, WholeFaces, apply_jitter
from train.data import Faces, FaceStream, free_memory, gather, load_faces
from train.face_sources import Folders


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
    with pytest.raises(InputError, match=r"wide\.png: 512×400"):
        load_faces([tmp_path])
    write_png(face[::4, ::4], tmp_path / "wide.png")
    with pytest.raises(InputError, match=r"wide\.png: 128 pixels"):
        load_faces([tmp_path])
    with pytest.raises(InputError, match="no folder"):
        load_faces([tmp_path / "missing"])


def test_a_limit_is_spread_over_the_sorted_names(tmp_path: Path) -> None:
    for i in range(6):
        write_png(np.full((256, 256, 3), 10 * i, np.uint8), tmp_path / f"{i}.png")
    loaded = load_faces([tmp_path], limit=3)
    assert loaded.names == ("0.png", "2.png", "4.png")
    assert loaded.images[:, 0, 0, 0].tolist() == [0, 20, 40]
    assert len(load_faces([tmp_path], limit=7)) == 6


def whole_faces(
    faces: Faces | FaceStream,
    small: Faces | None = None,
    *,
    batch: int = 3,
    side: int = 128,
    degradations: Distribution | Mixture = BLIND,
    seed: int = 0,
    jitter: float = 0.0,
) -> WholeFaces:
    recipe = Recipe(degradations=degradations, seed=seed, jitter=jitter)
    return WholeFaces(Order(faces, small, seed), recipe, batch=batch, side=side)


def squares(faces: Faces, seed: int = 0, **more: float) -> FaceSquares:
    options: dict[str, Any] = {"batch": 6, "squares": 3, "crop": 64, "alone": 0.0, "plain": 0.0, **more}
    return FaceSquares(Order(faces, None, seed), Recipe(degradations=BLIND, seed=seed), **options)


def test_batches_are_functions_of_seed_and_step(faces: Faces) -> None:
    straight, jumped = whole_faces(faces), whole_faces(faces)
    straight(0), straight(1)
    for a, b in zip(straight(2), jumped(2), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(straight(2)[0], whole_faces(faces, seed=1)(2)[0])
    degraded, clean = straight(2)
    assert degraded.shape == clean.shape == (3, 3, 128, 128)
    assert float((degraded - clean).abs().mean()) > 0


def test_squares_are_functions_of_seed_and_step_and_cut_where_they_say(faces: Faces) -> None:
    straight, jumped = squares(faces), squares(faces)
    straight(0)
    first, second = straight(1), jumped(1)
    assert torch.equal(first.degraded, second.degraded)
    assert first.boxes == second.boxes != straight(2).boxes
    assert torch.equal(first.degraded, squares(faces)(1).degraded)
    face, top, left = first.boxes[4]
    assert face == 1
    assert torch.equal(first.cut(first.clean)[4], first.clean[1, :, top : top + 64, left : left + 64])
    assert first.cut(first.degraded).shape == (6, 3, 64, 64)


def test_some_faces_are_learned_alone_and_some_are_plain(faces: Faces) -> None:
    assert squares(faces, alone=0.0)(0).alone == [False, False]
    assert squares(faces, alone=1.0)(0).alone == [True, True]
    plain = squares(faces, plain=1.0)(0)
    assert plain.alone == [True, True]  # there is no face in it
    assert float(plain.clean.std(dim=(2, 3)).max()) < 0.1
    assert float(plain.clean.std(dim=(2, 3)).max()) > 0


def test_an_epoch_shows_every_face_once() -> None:
    levels = torch.arange(10, dtype=torch.uint8)[:, None, None, None]
    large, small = (
        Faces(levels[:6].expand(6, 3, 512, 512), ("x",) * 6),
        Faces(levels[6:].expand(4, 3, 128, 128), ("y",) * 4),
    )
    batches = whole_faces(large, small, batch=5, degradations=Distribution())
    seen = torch.cat([batches(step)[1][:, 0, 0, 0] * 255 for step in range(4)]).round().int().tolist()
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_processes_share_what_one_alone_would_see(faces: Faces) -> None:
    order = Order(faces, None, 0)
    whole = WholeFaces(order, Recipe(degradations=BLIND, seed=0), batch=4, side=128)(3)
    halves = [
        WholeFaces(order, Recipe(degradations=BLIND, seed=0, part=part, parts=2), batch=4, side=128)(3)
        for part in (0, 1)
    ]
    for one, parts in zip(whole, zip(*halves, strict=True), strict=True):
        assert torch.equal(one, torch.cat(parts))
    with pytest.raises(InputError, match="multiple of 3"):
        Recipe(degradations=BLIND, seed=0, parts=3).share(0, 4)


@pytest.mark.parametrize("protocol", [BLIND, HEAVY, ORIGINAL, ORIGINAL_ALL])
def test_degrading_at_a_reduced_size_shows_the_same_distribution(
    faces: Faces, protocol: Distribution | Mixture
) -> None:
    differences = []
    for position in range(24):
        rng = random.Random(position)
        settings, seed, clean = protocol.sample(rng), rng.getrandbits(62), faces.clean([position % 2])
        factor = next(k for k in (4, 2, 1) if settings.reduced(k))
        small = settings.reduced(factor)
        assert small is not None
        ways = [(clean, settings), (reduce(clean, 512 // factor), small)]
        seen = [reduce(degrade(face, [s], [torch.Generator().manual_seed(seed)]), 128) for face, s in ways]
        truth = reduce(clean, 128)
        there, here = (-10 * float((image - truth).square().mean().log10()) for image in seen)
        differences.append(here - there)
    assert abs(np.mean(differences)) < 0.4  # dB, of 15 dB between mild and heavy draws
    assert np.std(differences) < 1


def numbered(folder: Path, count: int) -> Path:
    """A folder of flat faces, of grey level 10, 20 …"""
    for i in range(count):
        write_png(np.full((256, 256, 3), 10 * (i + 1), np.uint8), folder / f"{i}.png")
    return folder


def test_a_stream_shows_every_face_once_a_round_and_holds_a_window(tmp_path: Path) -> None:
    source = Folders([numbered(tmp_path, 5)], None, None)
    stream = FaceStream(source, 3, "cpu")
    shown = [stream.epoch(n).images[:, 0, 0, 0].tolist() for n in range(5)]
    assert shown == [[10, 20, 30], [40, 50, 10], [20, 30, 40], [50, 10, 20], [30, 40, 50]]
    assert FaceStream(source, 3, "cpu").epoch(3).images[:, 0, 0, 0].tolist() == [50, 10, 20]  # as a resumed run asks


def test_a_stream_of_unknown_length_finds_its_end(tmp_path: Path) -> None:
    source = Folders([numbered(tmp_path, 5)], None, None)
    source.count = None  # type: ignore[assignment]
    assert FaceStream(source, 3, "cpu").epoch(1).images[:, 0, 0, 0].tolist() == [40, 50, 10]
    assert FaceStream(source, 3, "cpu").epoch(3).images[:, 0, 0, 0].tolist() == [50, 10, 20]
    assert FaceStream(source, 3, "cpu").epoch(2).images[:, 0, 0, 0].tolist() == [20, 30, 40]


def test_batches_of_a_stream_are_functions_of_seed_and_step(tmp_path: Path) -> None:
    source = Folders([numbered(tmp_path, 5)], None, None)

    def batches() -> WholeFaces:
        return whole_faces(FaceStream(source, 3, "cpu"), batch=2, degradations=Distribution())

    straight, resumed = batches(), batches()
    seen = [straight(step)[1] for step in range(4)]  # the batch of step 1 reaches over two windows
    assert torch.equal(seen[3], resumed(3)[1])
    levels = (torch.cat(seen)[:, 0, 0, 0] * 255).round().int().tolist()
    assert sorted(levels[:3]) == [10, 20, 30]
    assert sorted(levels[3:6]) == [10, 40, 50]


def test_what_fits_is_kept_and_the_rest_streamed(tmp_path: Path) -> None:
    source = Folders([numbered(tmp_path, 3)], None, None)
    assert isinstance(gather(source, "cpu", 2), FaceStream)
    assert len(gather(source, "cpu", 3)) == 3
    assert isinstance(gather(source, "cpu"), Faces)
    source.count = None  # type: ignore[assignment]
    assert len(gather(source, "cpu", 3)) == 3
    assert isinstance(gather(source, "cpu", 3), Faces)
    assert isinstance(gather(source, "cpu", 2), FaceStream)
    assert FaceStream(source, 2, "cpu").fingerprint != FaceStream(source, 3, "cpu").fingerprint
    assert free_memory("cpu") > 3 * 512 * 512


def test_jitter_moves_as_opencv_does_and_tints(faces: Faces) -> None:
    clean = faces.clean([0])
    still = Jitter(0, 1, 0, 0, 1, (1, 1, 1))
    torch.testing.assert_close(apply_jitter(clean, [still]), clean, atol=2e-4, rtol=0)
    moved = apply_jitter(clean, [Jitter(4, 1.05, 6, -5, 1, (1, 1, 1))])[0].permute(1, 2, 0).numpy()
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), -4, 1.05)  # OpenCV turns the other way
    matrix[:, 2] += 6, -5
    image = clean[0].permute(1, 2, 0).numpy()
    reference = cv2.warpAffine(image, matrix, (512, 512), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    core = np.s_[40:-40, 40:-40]
    assert psnr((moved[core] * 255).astype(np.uint8), (reference[core].clip(0, 1) * 255).astype(np.uint8)) > 40
    tinted = apply_jitter(clean, [Jitter(0, 1, 0, 0, 1.2, (0.9, 1, 1.1))])
    expected = (clean.clamp(1e-4, 1) ** 1.2 * torch.tensor([0.9, 1, 1.1])[:, None, None]).clamp(0, 1)
    torch.testing.assert_close(tinted, expected, atol=2e-4, rtol=0)


def test_a_share_of_the_images_is_jittered(faces: Faces) -> None:
    whole = whole_faces(faces, batch=40, side=512, degradations=Distribution(), jitter=0.25)(0)[1]
    originals = torch.cat((faces.clean([0, 1]), faces.clean([0, 1]).flip(-1)))
    kept = sum(any(torch.equal(image, original) for original in originals) for image in whole)
    assert 22 <= kept <= 38  # 30 of 40, within three standard deviations
    assert Jitter.sample(random.Random(3)) == Jitter.sample(random.Random(3))


def test_small_faces_are_tinted_but_not_moved(faces: Faces) -> None:
    small = Faces(reduce(faces.images.float(), 128).round().to(torch.uint8), faces.names)
    order = Order(Faces(faces.images[:0], ()), small, 0)
    clean = WholeFaces(order, Recipe(degradations=Distribution(), seed=0, jitter=1.0), batch=8, side=128)(0)[1]
    originals = torch.cat((small.clean([0, 1]), small.clean([0, 1]).flip(-1)))
    for image in clean:  # a tint keeps the order of the values
        assert max(float(torch.corrcoef(torch.stack((image.flatten(), o.flatten())))[0, 1]) for o in originals) > 0.98
