"""ParseNet: the published network, number for number, and what it leaves of a face."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from examples.make_examples import PORTRAITS
from restoration.cli.main import main
from restoration.faces import parsing
from restoration.faces.alignment import align_face
from restoration.faces.download import DownloadError
from restoration.faces.parsing import FACE_CLASSES, FaceParser, ParseNet, load_parser
from restoration.faces.pasting import fit_texture, texture_mask
from restoration.images import InputError, read_image, write_png
from restoration.restorer import Restorer

# Of facexlib 0.3.0's ParseNet(in_size=512, out_size=512, parsing_ch=19), float64, filled by ``fill``, on the picture
# below: mean and standard deviation of the first and last six classes' logits.
MEAN = [
    -2927.762,
    10976.42,
    -5294.133,
    -10625.35,
    -7456.619,
    1637.563,
    7599.849,
    -3898.151,
    5817.195,
    -6694.596,
    -7576.024,
    -24363.63,
]
SPREAD = [
    854.2448,
    749.509,
    715.5106,
    1350.312,
    743.9539,
    642.6203,
    927.0323,
    1065.87,
    1063.709,
    719.938,
    932.6859,
    917.9427,
]
HOPPER = PORTRAITS[1]


def fill(network: torch.nn.Module) -> None:
    """Every parameter and buffer of N values: sin(k^2), k < N, over the root of what a filter sums; norms near 1."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                wave = torch.sin(torch.arange(value.numel(), dtype=value.dtype) ** 2).reshape(value.shape)
                near_1 = name.endswith(("running_var", "norm.norm.weight"))
                value.copy_(1 + wave / 10 if near_1 else 1.5 * wave / max(1, value[0].numel()) ** 0.5)


def test_it_computes_what_facexlib_computes() -> None:
    network = ParseNet().double().eval()
    fill(network)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    picture = 2 * torch.stack([(x + y) / 160, (x * y) % 7 / 7, torch.sin(x / 5) / 2 + 0.5])[None].double() - 1
    with torch.inference_mode():
        logits = network(picture)[0]
    assert logits.shape == (19, 64, 96)
    np.testing.assert_allclose(logits.mean(dim=(1, 2))[[*range(6), *range(-6, 0)]], MEAN, rtol=1e-5)
    np.testing.assert_allclose(logits.std(dim=(1, 2))[[*range(6), *range(-6, 0)]], SPREAD, rtol=1e-5)


def halves() -> ParseNet:
    """A network that calls bright pixels background, and dark ones skin."""
    network = ParseNet()
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
    path = folder / parsing.URL.rpartition("/")[2]
    torch.save(halves().state_dict(), path)
    monkeypatch.setattr(parsing, "cache_folder", lambda: folder)
    monkeypatch.setattr(parsing, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())


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
    monkeypatch.setattr(parsing, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(parsing, "URL", "http://127.0.0.1:9/parsing_parsenet.pth")  # nothing listens there
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
    monkeypatch.setattr(parsing, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    parsing._load.cache_clear()
    with pytest.raises(DownloadError, match="does not hold"):
        load_parser()
    with pytest.raises(InputError, match="head or parsing"):
        Restorer.from_pretrained().restore(HOPPER.read(), mask="magic")  # type: ignore[arg-type]
