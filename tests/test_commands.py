"""``python -m restoration restore`` and ``degrade``: what they write, what they leave alone, how they end."""

import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from examples.make_examples import PORTRAITS
from restoration.cli.main import main
from restoration.degrade.degradations import Degradation, degrade_image
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


def test_one_photo_does_not_stop_the_others(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    PIL.Image.new("RGB", (10_001, 16)).save(album / "long.png")
    moving = [PIL.Image.fromarray(HOPPER[:64, :64]), PIL.Image.fromarray(HOPPER[64:128, :64])]
    moving[0].save(album / "moving.gif", save_all=True, append_images=moving[1:])
    (album / "locked").mkdir()
    (out / "wall.png").mkdir(parents=True)  # a folder where a photo is to go
    scandir = os.scandir

    def refuse(path: str | Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    save = PIL.Image.Image.save

    def faulty(picture: PIL.Image.Image, file: object, form: str, **options: object) -> None:
        if form == "PNG" and picture.size == HOPPER.shape[1::-1]:
            raise ZeroDivisionError("nobody thought of this")
        save(picture, file, form, **options)

    monkeypatch.setattr(PIL.Image.Image, "save", faulty)
    command = ["degrade", str(album), str(out), "--downsample", "2", "--json", str(report)]
    assert main([*command, "--overwrite"]) == 1
    told = capsys.readouterr()
    assert told.out == "degrade: 2 done, 5 failed of 7\n"
    assert "the first is taken" in told.err
    rows = {Path(row["input"]).name: row for row in json.loads(report.read_text())["photos"]}
    for name, message in (
        ("locked", "cannot be read: Permission denied"),
        ("broken.png", "not a picture"),
        ("long.png", "sides up to 10000 pixels"),
        ("hopper.png", "ZeroDivisionError: nobody thought of this"),
        ("wall.png", "Cannot write"),
    ):
        assert rows[name]["status"] == "failed"
        assert message in rows[name]["message"]
    assert {name for name, row in rows.items() if row["status"] == "done"} == {"mirrored.jpg", "moving.gif"}
    assert rows["moving.gif"]["notice"] == "Of 2 pictures in the file the first is taken."
    assert main(command) == 1
    again = {Path(row["input"]).name: row for row in json.loads(report.read_text())["photos"]}
    assert again["mirrored.jpg"] == {**rows["mirrored.jpg"], "status": "skipped"}  # what was measured is still told
    assert main(["degrade", str(album / "locked"), str(out), "--noise", "3"]) == 2
    assert "locked: Permission denied" in capsys.readouterr().err


def test_paths_that_cannot_be_are_named(album: Path, tmp_path: Path, tiny_weights: Path, capsys) -> None:
    loop, photo, long = tmp_path / "loop", str(album / "mirrored.jpg"), str(tmp_path / ("x" * 300))
    loop.symlink_to(loop)
    for command, status, message in (
        (["degrade", photo, str(loop / "o.png")], 1, "Cannot write"),
        (["degrade", str(album), str(loop)], 1, "Cannot write"),
        (["degrade", photo, f"{long}.png"], 2, "xxx"),
        (["degrade", long, str(tmp_path / "o.png")], 2, "xxx"),
        (["degrade", photo, str(tmp_path / "o.txt")], 2, "written as"),
        (["info", "--weights", long], 2, "xxx"),
        (["restore", photo, str(tmp_path / "o.png"), "--device", "meta"], 2, "not available"),
        (["restore", photo, str(tmp_path / "o.webp"), "--centre", "--weights", str(tiny_weights)], 0, ""),
    ):
        assert main(command) == status
        assert message in capsys.readouterr().err


def test_the_configured_weights_restore(
    album: Path, tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORATION_MODEL", str(tiny_weights))
    out, report = tmp_path / "o.png", tmp_path / "r.json"
    assert main(["restore", str(album / "mirrored.jpg"), str(out), "--centre", "--json", str(report)]) == 0
    assert json.loads(report.read_text())["weights"] == str(tiny_weights)


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
