"""``python -m restoration restore`` and ``degrade``: what they write, what they leave alone, how they end."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

from examples.make_examples import PORTRAITS
from restoration.cli.main import main
from restoration.degrade import Degradation, degrade_image
from restoration.images import Image, photo_file, read_image, write_png

HOPPER = PORTRAITS[1].read()
SMALL = HOPPER[130:280, 170:370].copy()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Two photos in sub-folders, a picture without a face, and a file that is no picture."""
    folder = tmp_path / "album"
    (folder / "navy").mkdir(parents=True)
    write_png(SMALL, folder / "navy" / "hopper.png")
    PIL.Image.fromarray(SMALL[:, ::-1]).save(folder / "mirrored.jpg", quality=95)
    write_png(np.full((100, 100, 3), 128, np.uint8), folder / "wall.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not a photo")
    return folder


@pytest.fixture
def restore(tiny_weights: Path) -> Callable[..., int]:
    """``restore`` with weights that take no time; the exit status."""
    return lambda *words: main(["restore", *map(str, words), "--weights", str(tiny_weights)])


def degrade(*words: object) -> int:
    return main(["degrade", *map(str, words)])


def rows_of(report: Path) -> dict[str, dict[str, Any]]:
    """What a report tells, by the photo's name."""
    return {Path(row["input"]).name: row for row in json.loads(report.read_text())["photos"]}


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}


def test_a_folder_is_restored_with_names_and_sub_folders(album: Path, tmp_path: Path, restore) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    write_png(HOPPER, album / "navy" / "hopper.png")
    PIL.Image.fromarray(HOPPER[:, ::-1]).save(album / "mirrored.jpg", quality=95)
    assert restore(album, out, "--detector", "embedded", "--json", report) == 1  # two of four could not be done
    assert files_in(out) == {"mirrored.jpg", "navy/hopper.png"}
    restored = read_image(out / "navy" / "hopper.png")
    assert (restored != HOPPER).any()
    np.testing.assert_array_equal(restored[-50:], HOPPER[-50:])
    assert json.loads(report.read_text())["detector"] == "embedded"
    rows = rows_of(report)
    assert {name: row["status"] for name, row in rows.items()} == {
        "broken.png": "failed", "mirrored.jpg": "done", "hopper.png": "done", "wall.png": "no face",
    }  # fmt: skip
    [face] = rows["hopper.png"]["faces"]
    assert np.linalg.norm(np.array(face["landmarks"]) - PORTRAITS[1].landmarks, axis=1).mean() < 0.1 * 83.7
    assert face["psnr_to_input_db"] > 10
    assert set(rows["hopper.png"]["seconds"]) == {"detection", "background", "network", "pasting"}


def test_one_photo_does_not_stop_the_others(album: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    moving = PIL.Image.fromarray(SMALL[:64])
    moving.save(album / "moving.gif", save_all=True, append_images=[moving.rotate(90)])
    (out / "wall.png").mkdir(parents=True)  # a folder where a photo is to go
    save = PIL.Image.Image.save

    def faulty(picture: PIL.Image.Image, file: object, form: str, **options: object) -> None:
        if form == "PNG" and picture.size == SMALL.shape[1::-1]:
            raise ZeroDivisionError("nobody thought of this")
        save(picture, file, form, **options)

    monkeypatch.setattr(PIL.Image.Image, "save", faulty)
    command = (album, out, "--downsample", 2, "--json", report)
    assert degrade(*command, "--overwrite") == 1
    told = capsys.readouterr()
    assert told.out == "degrade: 2 done, 3 failed of 5\n"
    assert "the first is taken" in told.err
    rows = rows_of(report)
    assert {name for name, row in rows.items() if row["status"] == "done"} == {"mirrored.jpg", "moving.gif"}
    for name, message in (
        ("broken.png", "not a picture"), ("wall.png", "Cannot write"),
        ("hopper.png", "ZeroDivisionError: nobody thought of this"),
    ):  # fmt: skip
        assert message in rows[name]["message"]
    assert rows["moving.gif"]["notice"] == "Of 2 pictures in the file the first is taken."
    assert degrade(*command) == 1
    assert rows_of(report)["mirrored.jpg"] == {**rows["mirrored.jpg"], "status": "skipped"}  # still told


def test_what_can_be_read_is_read_and_the_rest_is_named(tmp_path: Path, capsys) -> None:
    folder, elsewhere, out, report = (tmp_path / name for name in ("in", "elsewhere", "out", "r.json"))
    for path in (folder / "sub", elsewhere):
        path.mkdir(parents=True)
    picture = PIL.Image.fromarray(SMALL[:64, :64])
    for name in ("a.jpg", "b.jfif", "IMG.HEIC", "c.avif", "p.gif", "p.png", "sub/d.png", "../elsewhere/e.png"):
        picture.save(folder / name)
    for name in ("._a.jpg", "clip.mov", "notes.txt"):
        (folder / name).write_bytes(b"no photo")
    for link, to in ((folder / "link", elsewhere), (elsewhere / "back", folder), (elsewhere / "again", folder / "sub")):
        link.symlink_to(to)
    (folder / "gone\n\x1b.png").symlink_to(tmp_path / "nowhere")
    assert degrade(folder, out, "--noise", 3, "--json", report) == 0
    told = capsys.readouterr()
    assert told.out == "degrade: 8 done of 8\n"
    named = f"3 ({folder / 'clip.mov'}, {folder}/gone\\n\\x1b.png, {folder / 'notes.txt'})"
    assert f"left out, being broken links or pipes, or not named as photos: {named}" in told.err
    results = {"a.jpg", "b.jfif", "IMG.HEIC.jpg", "c.avif.png", "p.gif.png", "p.png", "sub/d.png", "link/e.png"}
    assert files_in(out) == results
    assert json.loads(report.read_text())["left_out"][0].endswith("clip.mov")
    assert all(read_image(out / name).shape == (64, 64, 3) for name in results)
    picture.save(folder / "c.png")  # a new photo gets a result of its own
    assert degrade(folder, out, "--noise", 3, "--json", report) == 0
    assert {name: row["status"] for name, row in rows_of(report).items() if name[0] == "c"} == {
        "c.avif": "skipped", "c.png": "done",
    }  # fmt: skip
    picture.save(folder / "p.gif.png")
    assert degrade(folder, out, "--noise", 3) == 2
    assert "would both become" in capsys.readouterr().err


def test_format_quality_and_suffix(album: Path, tmp_path: Path) -> None:
    out, command = tmp_path / "out", (album / "navy", tmp_path / "out", "--noise", 3, "--format", "jpg")
    PIL.Image.fromarray(SMALL).save(album / "navy" / "hopper.bmp")
    assert degrade(*command, "--suffix", "_noisy") == 0
    assert degrade(*command, "--suffix", "_worse", "--quality", 20) == 0
    endings = (".bmp_noisy.jpg", ".png_noisy.jpg", ".bmp_worse.jpg", ".png_worse.jpg")
    assert files_in(out) == {f"hopper{ending}" for ending in endings}
    noisy, worse = (out / f"hopper.png_{name}.jpg" for name in ("noisy", "worse"))
    assert PIL.Image.open(noisy).format == "JPEG"
    assert worse.stat().st_size < noisy.stat().st_size / 2


def test_a_long_name_fails_alone_and_before_the_work(album: Path, tmp_path: Path, capsys) -> None:
    write_png(SMALL, album / f"{'x' * 250}.png")
    assert degrade(album, tmp_path / "out", "--noise", 3, "--suffix", "_noisy") == 1
    told = capsys.readouterr()
    assert told.out == "degrade: 3 done, 2 failed of 5\n"
    assert "File name too long" in told.err
    assert degrade(album, tmp_path / "other", "--noise", 3) == 1
    assert (tmp_path / "other" / f"{'x' * 250}.png").exists()


def test_a_full_disk_stops_and_what_was_there_stays(album: Path, tmp_path: Path, full_disk, capsys) -> None:
    report, out = tmp_path / "report.json", tmp_path / "out"
    command = (album, out, "--noise", 3, "--json", report, "--overwrite")
    assert degrade(*command) == 1
    before = {path: path.read_bytes() for path in (*out.rglob("*.*"), report)}
    full_disk((out / "mirrored.jpg").stat().st_size)
    assert degrade(*command) == 1
    told = capsys.readouterr()
    assert told.out.endswith("degrade: 1 done, 2 failed of 4\n")  # broken.png, mirrored.jpg, hopper.png, no wall.png
    assert "hopper.png: File too large. Choose" in told.err
    assert "The disk is full: stopped." in told.err
    assert [row["status"] for row in rows_of(report).values()].count("failed") == 2
    full_disk(100)  # now the report's, too
    before[report] = report.read_bytes()
    assert degrade(*command) == 1
    assert f"Cannot write {report}: File too large." in capsys.readouterr().err
    full_disk(-1)
    assert {path: path.read_bytes() for path in (*out.rglob("*.*"), report)} == before


def test_a_repeated_command_goes_on_after_sigterm_and_a_damaged_report_is_set_aside(
    album: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    out, report, write = tmp_path / "out", tmp_path / "report.json", photo_file.write_photo
    for number in range(3):
        (album / f"copy{number}.jpg").symlink_to(album / "mirrored.jpg")

    def ended(image: Image, path: Path, *more: Any) -> None:
        write(image, path, *more)
        if path.name == "copy1.jpg":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(photo_file, "write_photo", ended)
    command = (album, out, "--blur-sigma", 3, "--json", report)
    assert degrade(*command) == 143
    assert capsys.readouterr().out == "degrade: 1 done, 1 failed of 7, interrupted\n"
    told = rows_of(report)
    assert {name: row["status"] for name, row in told.items()} == {"broken.png": "failed", "copy0.jpg": "done"}
    (out / "copy0.jpg").write_bytes(b"is there")
    assert degrade(*command) == 1
    assert (out / "copy0.jpg").read_bytes() == b"is there"
    assert rows_of(report)["copy0.jpg"] == {**told["copy0.jpg"], "status": "skipped"}  # told by the run that was ended
    assert capsys.readouterr().out == "degrade: 4 done, 2 skipped, 1 failed of 7\n"
    report.write_text(report.read_text()[:300])
    assert degrade(*command) == 1
    assert "was cut off" in capsys.readouterr().err
    assert (tmp_path / "report.json.damaged").stat().st_size == 300
    assert json.loads(report.read_text())["command"] == "degrade"


def test_faces_are_chosen_by_number_and_size(tmp_path: Path, restore, capsys) -> None:
    pair, source, out = np.full((400, 667, 3), 128, np.uint8), tmp_path / "pair.png", tmp_path / "out.png"
    for left, top, side in ((27, 29, 341), (440, 133, 171)):
        face = cv2.resize(HOPPER[:512, :512], (side, side), interpolation=cv2.INTER_AREA)
        pair[top : top + side, left : left + side] = face
    write_png(pair, source)
    first, second = (True, False), (False, True)
    for which, changed in (("2", second), ("largest", first), ("1,2 --max-face 133", second)):
        options = ["--faces", *which.split()]
        assert restore(source, out, "--detector", "embedded", "--overwrite", *options) == 0
        differ = (read_image(out) != pair).any(axis=(0, 2))
        assert (bool(differ[:400].any()), bool(differ[400:].any())) == changed
    assert restore(source, tmp_path / "x.png", "--detector", "embedded", "--faces", 3) == 1
    assert "None of the 2 faces" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        restore(source, tmp_path / "x.png", "--faces", 0)
    assert "give numbers from 1" in capsys.readouterr().err


def test_the_network_enlarges_a_photo_without_a_face_and_says_so(album: Path, tmp_path: Path, restore, capsys) -> None:
    command = (album / "wall.png", tmp_path / "w.png", "--detector", "embedded", "--scale", 2)
    assert restore(*command) == 1
    assert not (tmp_path / "w.png").exists()
    assert restore(*command, "--background", "network") == 0
    assert "The network enlarged the whole photo" in capsys.readouterr().err
    assert read_image(tmp_path / "w.png").shape == (200, 200, 3)
    assert restore(album / "navy" / "hopper.png", tmp_path / "h.png", "--centre", "--scale", 2) == 0
    assert read_image(tmp_path / "h.png").shape == (2 * SMALL.shape[0], 2 * SMALL.shape[1], 3)


def test_degrade_does_what_python_does(album: Path, tmp_path: Path, capsys) -> None:
    source, target, report = album / "navy" / "hopper.png", tmp_path / "noisy.png", tmp_path / "report.json"
    assert degrade(source, target, "--noise", 12, "--downsample", 2, "--seed", 5, "--json", report) == 0
    expected = degrade_image(SMALL, Degradation(noise=12, downsample=2), seed=5)
    np.testing.assert_array_equal(read_image(target), expected)
    facts = json.loads(report.read_text())
    assert facts["settings"]["noise"] == 12
    assert facts["photos"][0]["psnr_db"] < 40
    assert degrade(source.parent, tmp_path / "out", "--noise", 3, "--json", report) == 0  # there is nothing to skip
    assert degrade(source.parent, tmp_path / "out", "--jpeg", 5, "--json", report) == 2
    assert f"{report} tells of a run with other options (settings)" in capsys.readouterr().err
    assert json.loads(report.read_text())["settings"]["noise"] == 3
    assert degrade(source, tmp_path / "cctv.png", "--preset", "cctv") == 0
    assert degrade(album / "wall.png", tmp_path / "same.png", "--downsample", 2, "--json", report, "--overwrite") == 0
    assert rows_of(report)["wall.png"]["psnr_db"] is None  # JSON has no infinity


def test_what_cannot_work_says_so_before_anything_is_done(album: Path, tmp_path: Path, capsys) -> None:
    out, photo, long, other = (str(tmp_path / name) for name in ("out", "album/mirrored.jpg", "x" * 300, "other.json"))
    noise = ("--noise", "3")
    Path(other).write_text('{"command": "theirs"}')
    before = {path: path.read_bytes() for path in (Path(photo), Path(other), album / "wall.png")}
    for arguments, message in (
        (["degrade", photo, str(album / "wall.png"), *noise], "--overwrite"),
        (["restore", photo, photo, "--centre", "--overwrite"], "its own result"),
        (["degrade", str(album), "/proc/out", *noise], "Cannot write in"),
        (["degrade", photo, out + ".png", *noise, "--json", "/proc/report.json"], "Cannot write in"),
        (["degrade", long, out + ".png", *noise], "xxx"),
        *((["degrade", photo, out + end, *noise], "written as") for end in (".txt", ".heic", ".gif")),
        *((["degrade", str(album), out, *noise, "--json", str(at)], "another name") for at in (photo, other, album)),
        (["degrade", photo, out + ".png", *noise, "--json", out + ".png"], "another name"),
        (["degrade", photo, out + ".png", *noise, "--json", str(album / "NEW.JPG")], "another name"),
        (["restore", photo, out + ".png", "--device", "meta"], "not available"),
        (["restore", "/nowhere", out], "no file or folder"),
        (["restore", "", out], "is empty"),
        (["restore", str(album), ""], "is empty"),
        (["restore", str(album), out, "--max-face", "-3"], "above 0"),
        (["degrade", str(album), out, "--kernel", "area"], "Give --preset, --motion-length"),
        (["restore", str(album), out, "--strength", "2"], "between 0"),
        (["restore", str(album), out, "--detector", "toaster"], "no detector"),
        (["restore", str(album), str(album / "notes.txt")], "Not a directory"),
        (["degrade", str(album), out, "--noise", "-1"], "noise"),
        (["degrade", str(album), out, "--preset", "cctv", "--noise", "3"], "not both"),
        (["degrade", str(album), out, *noise, "--quality", "0"], "between 1 and 100"),
        (["degrade", str(album), out, *noise, "--suffix", "/x"], "part of a file's name"),
        (["degrade", photo, out + ".png", *noise, "--format", "png"], "results in a folder"),
        (["restore", str(album), out, "--centre", "--faces", "1"], "leave --centre out"),
        (["benchmark", "--rounds", "0"], "at least one round"),
        (["benchmark", "--size", "0"], "from 64 to 2048"),
        (["benchmark", "--threads", "0"], "1 to 1024 threads"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert not Path(out).exists()
