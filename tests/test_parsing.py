"""What ParseNet leaves of a face."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from facexlib.parsing.parsenet import ParseNet

from examples.make_examples import PORTRAITS
from restoration.cli.main import main
from restoration.faces import align_face, pasting
from restoration.faces.download import DownloadError
from restoration.faces.pasting import FACE_CLASSES, FaceParser, fit_texture, load_parser, texture_mask
from restoration.images import InputError, read_image, write_png
from restoration.restorer import Restorer

HOPPER = PORTRAITS[1]


def halves() -> ParseNet:
    """A network that calls bright pixels background, and dark ones skin."""
    network = ParseNet(in_size=512, out_size=512, parsing_ch=19)
    with torch.no_grad():
        for value in network.parameters():
            value.zero_()
        network.encoder[0].conv2d.weight[0, :, 1, 1] = 1.0  # type: ignore[union-attr, index]
        for block in network.encoder[1:]:
            block.shortcut_func.conv2d.weight[0, 0, 1, 1] = 1.0  # type: ignore[union-attr, index]
        for block in network.decoder:
            block.shortcut_func.conv2d.weight[0, 0, 1, 1] = 1.0  # type: ignore[union-attr, index]
        network.out_mask_conv.conv2d.weight[0, 0, 1, 1] = 1.0
    return network.eval()


def published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that would be fetched, holding ``halves``, in the cache."""
    path = folder / pasting.URL.rpartition("/")[2]
    torch.save(halves().state_dict(), path)
    monkeypatch.setattr(pasting, "cache_folder", lambda: folder)
    monkeypatch.setattr(pasting, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())


def test_what_is_no_face_keeps_the_photo_s_texture() -> None:
    picture = np.zeros((512, 512, 3), np.uint8)
    picture[:, 256:] = 255
    parts = FaceParser(halves()).parts(picture)
    assert parts.shape == (512, 512, 1)
    assert 0 not in FACE_CLASSES
    assert (parts[:, :200] == 255).all()
    assert (parts[:, 312:] == 0).all()
    original = align_face(HOPPER.read(), HOPPER.landmarks)
    restored = np.random.default_rng(0).integers(0, 256, original.shape, np.uint8)
    whole, partly, nothing = (fit_texture(restored, original, p) for p in (None, parts, np.zeros_like(parts)))
    inner = texture_mask()[..., 0] == 255
    here, away = inner & (parts[..., 0] == 255), inner & (parts[..., 0] == 0)
    assert here.any()
    assert away.any()
    np.testing.assert_array_equal(partly[here], whole[here])
    np.testing.assert_array_equal(partly[away], nothing[away])


def test_the_command_masks_by_parsing(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_png(HOPPER.read(), tmp_path / "in.png")
    command = ["restore", str(tmp_path / "in.png"), "--weights", str(tiny_weights), "--detector", "embedded"]
    monkeypatch.setattr(pasting, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(pasting, "URL", "http://127.0.0.1:9/parsing_parsenet.pth")  # nothing listens there
    assert main([*command, str(tmp_path / "no.png"), "--mask", "parsing"]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    published(tmp_path, monkeypatch)
    assert main([*command, str(tmp_path / "head.png")]) == 0
    assert main([*command, str(tmp_path / "parsed.png"), "--mask", "parsing"]) == 0
    photo, head, parsed = (read_image(tmp_path / name) for name in ("in.png", "head.png", "parsed.png"))
    assert 0 < np.abs(parsed.astype(int) - photo).sum() < 0.9 * np.abs(head.astype(int) - photo).sum()


def test_a_damaged_file_and_another_mask_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published(tmp_path, monkeypatch)
    path = tmp_path / "parsing_parsenet.pth"
    torch.save({"other": torch.zeros(1)}, path)
    with pytest.raises(DownloadError, match="checksum"):
        load_parser()
    monkeypatch.setattr(pasting, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    pasting._load.cache_clear()
    with pytest.raises(DownloadError, match="does not hold"):
        load_parser()
    with pytest.raises(InputError, match="head or parsing"):
        Restorer.from_pretrained().restore(HOPPER.read(), mask="magic")  # type: ignore[arg-type]
