"""``python -m restoration restore`` and ``degrade``: what they write, what they leave alone, how they end."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from examples.make_examples import PORTRAITS
from restoration.__main__ import main
from restoration.degradations import Degradation, degrade_image
from restoration.images import read_image, write_png

HOPPER = PORTRAITS[1].read()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Two photos in sub-folders, a picture without a face, and a file that is no picture."""
    folder = tmp_path / "album"
    (folder / "navy").mkdir(parents=True)
    write_png(HOPPER, folder / "navy" / "hopper.png")
    PIL.Image.fromarray(HOPPER[:, ::-1]).save(folder / "mirrored.jpg", quality=95)
    write_png(np.full((100, 100, 3), 128, np.uint8), folder / "wall.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not a photo")
    return folder


def test_a_folder_is_restored_with_names_and_sub_folders(album: Path, tmp_path: Path, tiny_weights: Path) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    command = ["restore", str(album), str(out), "--weights", str(tiny_weights), "--detector", "embedded"]
    assert main([*command, "--json", str(report)]) == 1  # two of four could not be done
    assert {str(path.relative_to(out)) for path in out.rglob("*.*")} == {"mirrored.jpg", "navy/hopper.png"}
    restored = read_image(out / "navy" / "hopper.png")
    assert restored.shape == HOPPER.shape
    assert (restored != HOPPER).any()
    np.testing.assert_array_equal(restored[-50:], HOPPER[-50:])
    facts = json.loads(report.read_text())
    assert facts["detector"] == "embedded"
    rows = {Path(row["input"]).name: row for row in facts["photos"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "broken.png": "failed",
        "mirrored.jpg": "done",
        "hopper.png": "done",
        "wall.png": "no face",
    }
    [face] = rows["hopper.png"]["faces"]
    assert np.linalg.norm(np.array(face["landmarks"]) - PORTRAITS[1].landmarks, axis=1).mean() < 0.1 * 83.7
    assert face["psnr_to_input_db"] > 10
    assert set(rows["hopper.png"]["seconds"]) == {"detection", "background", "network", "pasting"}


def test_a_repeated_command_goes_on_where_it_stopped(album: Path, tmp_path: Path, tiny_weights: Path) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    command = ["restore", str(album / "navy"), str(out), "--weights", str(tiny_weights), "--centre"]
    out.mkdir()
    (out / "hopper.png").write_bytes(b"from an earlier run")
    assert main([*command, "--json", str(report)]) == 0
    assert (out / "hopper.png").read_bytes() == b"from an earlier run"
    assert [row["status"] for row in json.loads(report.read_text())["photos"]] == ["skipped"]
    assert main([*command, "--overwrite"]) == 0
    assert read_image(out / "hopper.png").shape == HOPPER.shape


def test_a_single_file_never_replaces_another(album: Path, tmp_path: Path, tiny_weights: Path, capsys) -> None:
    source, target = album / "navy" / "hopper.png", tmp_path / "restored.png"
    command = ["restore", str(source), str(target), "--weights", str(tiny_weights), "--centre", "--scale", "2"]
    assert main(command) == 0
    assert read_image(target).shape == (2 * HOPPER.shape[0], 2 * HOPPER.shape[1], 3)
    before = target.read_bytes()
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert target.read_bytes() == before
    assert main(["restore", str(source), str(source), "--overwrite", "--weights", str(tiny_weights), "--centre"]) == 2
    assert "its own result" in capsys.readouterr().err


def test_a_report_never_replaces_a_photo_or_a_stranger(album: Path, tmp_path: Path, capsys) -> None:
    photo, other, out = album / "mirrored.jpg", tmp_path / "other.json", tmp_path / "out"
    other.write_text('{"command": "theirs"}')
    before = {path: path.read_bytes() for path in (photo, other)}
    for source, target, report in (
        (album, out, photo),
        (photo, tmp_path / "o.png", tmp_path / "o.png"),
        (photo, tmp_path / "o.png", album / "NEW.JPG"),
        (album, out, out / "navy" / "hopper.png"),
        (album, out, other),
        (album, out, album),
    ):
        assert main(["degrade", str(source), str(target), "--noise", "5", "--json", str(report)]) == 2
        assert "another name" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert not out.exists()


def test_strength_0_leaves_a_photo_as_it_was(album: Path, tmp_path: Path, tiny_weights: Path) -> None:
    target = tmp_path / "same.png"
    source = str(album / "navy" / "hopper.png")
    assert main(["restore", source, str(target), "--weights", str(tiny_weights), "--centre", "--strength", "0"]) == 0
    np.testing.assert_array_equal(read_image(target), HOPPER)


def test_degrade_does_what_python_does(album: Path, tmp_path: Path) -> None:
    target, report = tmp_path / "noisy.png", tmp_path / "report.json"
    source = str(album / "navy" / "hopper.png")
    settings = ["--noise", "12", "--downsample", "2", "--seed", "5"]
    assert main(["degrade", source, str(target), *settings, "--json", str(report)]) == 0
    expected = degrade_image(HOPPER, Degradation(noise=12, downsample=2), seed=5)
    np.testing.assert_array_equal(read_image(target), expected)
    facts = json.loads(report.read_text())
    assert facts["settings"]["noise"] == 12
    assert facts["photos"][0]["psnr_db"] < 40
    assert main(["degrade", source, str(tmp_path / "cctv.png"), "--preset", "cctv"]) == 0


def test_what_cannot_work_says_so_before_anything_is_done(album: Path, tmp_path: Path, capsys) -> None:
    out = str(tmp_path / "out")
    for arguments, message in (
        (["restore", "/nowhere", out], "no file or folder"),
        (["restore", str(album), out, "--strength", "2"], "between 0"),
        (["restore", str(album), out, "--detector", "toaster"], "no detector"),
        (["restore", str(album), str(album / "notes.txt")], "needs a folder"),
        (["degrade", str(album), out, "--noise", "-1"], "noise"),
        (["degrade", str(album), out, "--preset", "cctv", "--noise", "3"], "not both"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
