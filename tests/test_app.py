"""The page from outside: the real process, called by ``gradio_client``."""

import base64
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import PIL.Image
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from served import EILEEN, GRACE, ROOT, pixels

from examples.make_examples import group
from restoration import Degradation, Restorer
from restoration.degrade import degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.faces import crop_centre
from restoration.images import Image, read_image
from restoration.lab import run_experiment
from restoration.measure import score
from restoration.measure.faithfulness import region_errors
from restoration.measure.identity import judge, load_identity

OLD_PHONE = PRESETS["old_phone"].draw(0)


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer.from_pretrained()


def photo(seed: int, size: tuple[int, int] = (96, 120)) -> PIL.Image.Image:
    """A smooth colour picture that depends on the seed."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return PIL.Image.fromarray(small).resize(size, PIL.Image.Resampling.BICUBIC)


# ------------------------------------------------------------------------------------------------ the endpoints


def test_endpoints_are_named_and_documented(client: Client) -> None:
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert set(named) == {
        "/degrade",
        "/restore",
        "/degrade_and_restore",
        "/examine",
        "/presets",
        "/compare",
        "/sweep",
        "/recipe",
        "/estimate",
    }
    for endpoint in named.values():
        assert len(endpoint["description"]) > 30
        assert all(parameter["label"] and parameter["parameter_name"] for parameter in endpoint["parameters"])
    names = [parameter["parameter_name"] for parameter in named["/degrade_and_restore"]["parameters"]]
    assert set(names) == {"image", "seed"} | {field.name for field in fields(Degradation)}


def test_presets_are_those_of_the_package(client: Client) -> None:
    answer = client.predict(seed=5, api_name="/presets")
    assert {key: Degradation(**preset["settings"]) for key, preset in answer.items()} == {
        key: preset.draw(5) for key, preset in PRESETS.items()
    }


@pytest.mark.parametrize("face", [EILEEN, GRACE], ids=lambda path: path.stem)
def test_an_experiment_is_that_of_the_package_bit_for_bit(client: Client, restorer: Restorer, face: Path) -> None:
    degraded, restored, report = client.predict(
        image=handle_file(face), seed=7, **asdict(OLD_PHONE), api_name="/degrade_and_restore"
    )
    truth = read_image(face)
    np.testing.assert_array_equal(pixels(degraded), degrade_image(truth, OLD_PHONE, 7))
    expected = restorer.restore_aligned(pixels(degraded))
    # The same weights in another process: at most the last bit of a float may differ, which may round a pixel.
    assert np.abs(pixels(restored).astype(int) - expected).max() <= 1
    for row, path in zip(report["metrics"], (degraded, restored), strict=True):
        scores = score(pixels(path), truth)  # measured on what was sent: the file is lossless
        assert (row["psnr_db"], row["ssim"]) == (pytest.approx(scores.psnr), pytest.approx(scores.ssim))
        assert row["identity_angle_deg"] == pytest.approx(load_identity().angle(pixels(path), truth), abs=0.5)
    assert report["settings"] == asdict(OLD_PHONE)
    warning = judge(*(row["identity_angle_deg"] for row in report["metrics"]), load_identity().bands).warning
    assert report["warnings"] == ([warning] if warning else [])


@pytest.mark.parametrize("face", [EILEEN, GRACE], ids=lambda path: path.stem)
def test_restoring_brings_an_example_closer_to_the_truth(client: Client, face: Path) -> None:
    settings = {"blur_sigma": 1.5, "downsample": 4, "noise": 12, "jpeg": 60}
    *_, report = client.predict(image=handle_file(face), seed=1, **settings, api_name="/degrade_and_restore")
    before, after = report["metrics"]
    assert after["psnr_db"] > before["psnr_db"] + 0.1
    assert after["ssim"] > before["ssim"]


def test_a_photo_without_truth_is_restored_and_not_measured(client: Client, restorer: Restorer, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    photo(3, (700, 600)).save(path)
    restored, report = client.predict(image=handle_file(path), api_name="/restore")
    np.testing.assert_array_equal(pixels(restored), restorer.restore(read_image(path), centre=True).photo)
    assert report["detector"] == "centred square"
    assert "No face was found" in report["warnings"][0]
    assert "metrics" not in report


def test_a_program_gets_every_face_restored_as_a_visitor_does(
    client: Client, restorer: Restorer, tmp_path: Path
) -> None:
    path = tmp_path / "group.png"
    PIL.Image.fromarray(group()).save(path)
    restored, report = client.predict(
        image=handle_file(path), detector="embedded", scale=2, strength=0.5, api_name="/restore"
    )
    expected = restorer.restore(read_image(path), detector="embedded", scale=2, strength=0.5)
    np.testing.assert_array_equal(pixels(restored), expected.photo)
    assert (report["detector"], report["scale"], report["strength"]) == ("embedded", 2, 0.5)
    assert len(report["faces"]) == 2
    np.testing.assert_allclose(report["faces"][0]["landmarks"], expected.faces[0].face.landmarks, atol=0.01)
    assert report["model"]["fingerprint"] == restorer.fingerprint
    for wrong in ({"detector": str(tmp_path)}, {"scale": 3}, {"strength": 1.5}):
        with pytest.raises(AppError, match=r"detector is one of|1, 2 or 4|strength is from 0"):
            client.predict(image=handle_file(EILEEN), **wrong, api_name="/restore")


def test_what_cannot_be_a_number_or_was_not_trained_is_said(client: Client) -> None:
    degraded, report = client.predict(image=handle_file(EILEEN), seed=0, api_name="/degrade")
    np.testing.assert_array_equal(pixels(degraded), read_image(EILEEN))
    assert (report["metrics"][0]["identical"], report["metrics"][0]["psnr_db"]) == (True, None)  # not infinite
    *_, report = client.predict(image=handle_file(EILEEN), seed=0, noise=100, api_name="/degrade_and_restore")
    assert any("noise" in text and "trained" in text for text in report["warnings"])


def test_the_seed_and_every_setting_have_an_effect(client: Client) -> None:
    base: dict[str, Any] = {
        "motion_length": 9, "motion_angle": 20, "blur_sigma": 3, "blur_sigma_y": 1, "blur_angle": 20, "downsample": 3,
        "kernel": "area", "noise": 10, "jpeg": 50, "grayscale": False, "seed": 0,
    }  # fmt: skip
    changed = {
        "motion_length": 15, "motion_angle": 80, "blur_sigma": 5, "blur_sigma_y": 2, "blur_angle": 70, "downsample": 6,
        "kernel": "bicubic", "noise": 20, "jpeg": 20, "grayscale": True, "seed": 1,
    }  # fmt: skip
    image = handle_file(EILEEN)
    reference = pixels(client.predict(image=image, **base, api_name="/degrade")[0])
    for name, value in changed.items():
        other = pixels(client.predict(image=image, **{**base, name: value}, api_name="/degrade")[0])
        assert np.abs(reference.astype(int) - other).mean() > 0.1, name


def test_a_program_can_look_too(client: Client, restorer: Restorer) -> None:
    settings = PRESETS["old_phone"].draw(1)
    change, unsure, report = client.predict(handle_file(EILEEN), 1, **asdict(settings), api_name="/examine")
    pictures = run_experiment(str(EILEEN), settings, 1, restorer, None).pictures
    difference = pictures["Restored"].astype(int) - pictures["Degraded"]
    np.testing.assert_array_equal(read_image(change), np.clip(128 + 4 * difference, 0, 255))
    assert read_image(unsure).shape == (512, 512, 3)
    assert report["regions"]["eyes"]["restored"] == region_errors(pictures["Restored"], pictures["Clean"])["eyes"]
    assert report["calibrated"]
    assert report["change"] == pytest.approx(np.abs(difference).mean())


# ------------------------------------------------------------------------------------------------ pictures come in


def encoded(picture: PIL.Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


EXIF = PIL.Image.Exif()
EXIF[0x0112] = 6  # turned
CLEAR = photo(2).convert("RGBA")
CLEAR.putalpha(PIL.Image.linear_gradient("L").resize(CLEAR.size))
DEEP = PIL.Image.fromarray(np.linspace(0, 65535, 96 * 120).reshape(120, 96).astype(np.uint16))
PICTURES = {
    "sixteen_bit.png": encoded(DEEP, format="PNG"),
    "rotated.jpg": encoded(photo(1), format="JPEG", quality=95, exif=EXIF),
    "transparent.png": encoded(CLEAR, format="PNG"),
    "grey.png": encoded(photo(3).convert("L"), format="PNG"),
    "palette.png": encoded(photo(4).quantize(16), format="PNG"),
    "cmyk.jpg": encoded(photo(5).convert("CMYK"), format="JPEG"),
    "animated.gif": encoded(photo(6), format="GIF", save_all=True, append_images=[photo(7)]),
    "photo.webp": encoded(photo(8), format="WEBP", quality=80),
    "photo.tif": encoded(photo(9), format="TIFF"),
    "wrong_name.png": encoded(photo(10), format="JPEG"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_of_picture_arrives_as_the_package_reads_it(client: Client, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PICTURES[name])
    arrived, _ = client.predict(image=handle_file(path), seed=0, api_name="/degrade")  # everything is off
    np.testing.assert_array_equal(pixels(arrived), crop_centre(read_image(PICTURES[name])))


GOOD = encoded(photo(0), format="JPEG")
BAD_PICTURES = {
    "truncated.jpg": (GOOD[: len(GOOD) // 2], "damaged or cut short"),
    "text.png": (b"this is not a picture\n" * 50, "not a picture|Supported formats"),
    "empty.png": (b"", "not a picture"),
    "dot.png": (encoded(photo(0, (1, 1)), format="PNG"), "16"),
    "large.png": (encoded(PIL.Image.new("1", (10_000, 10_000)), format="PNG"), "megapixels"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Supported formats"),
    "": (None, "There is no picture yet"),
}


@pytest.mark.parametrize("endpoint", ["/degrade", "/restore", "/degrade_and_restore"])
@pytest.mark.parametrize("name", BAD_PICTURES)
def test_a_bad_picture_gets_a_clear_message(client: Client, tmp_path: Path, name: str, endpoint: str) -> None:
    data, message = BAD_PICTURES[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    picture = None if data is None else handle_file(tmp_path / name)
    rest = {} if endpoint == "/restore" else {"seed": 0}
    with pytest.raises(AppError, match=message):
        client.predict(image=picture, **rest, api_name=endpoint)


def test_a_file_over_the_limit_is_refused(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "heavy.bmp"
    path.write_bytes(bytes(31 * 2**20))
    with pytest.raises(Exception, match=r"(?i)413|too large|size") as caught:
        client.predict(image=handle_file(path), api_name="/restore")
    assert not isinstance(caught.value, AssertionError)


PIXEL = "data:image/png;base64," + base64.b64encode(encoded(photo(0), format="PNG")).decode()
BAD_SETTINGS = {
    "none": ({"blur_sigma": None}, "blur_sigma.*must be a number"),
    "too much": ({"motion_length": 65}, "motion_length.*from 0 to 64"),
    "fraction": ({"jpeg": 50.5}, "whole number"),
    "kernel": ({"kernel": "<b>cubic</b>"}, "&lt;b&gt;cubic"),  # escaped: the page shows messages as HTML
    "seed": ({"seed": -1}, "seed must be a whole number"),
    "no seed": ({"seed": None}, "seed must be a whole number"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_settings_get_a_clear_message(client: Client, name: str) -> None:
    settings, message = BAD_SETTINGS[name]
    with pytest.raises(AppError, match=message):
        client.predict(image=handle_file(EILEEN), **{"seed": 0, **settings}, api_name="/degrade_and_restore")


@pytest.mark.parametrize(("name", "value"), [("noise", "NaN"), ("downsample", "Infinity"), ("seed", "NaN")])
def test_numbers_that_are_none_get_a_clear_message(address: str, client: Client, name: str, value: str) -> None:
    """NaN is not JSON: ``gradio_client`` cannot send it, but any program can."""
    called = "/presets" if name == "seed" else "/degrade"
    data = []
    for parameter in client.view_api(return_format="dict")["named_endpoints"][called]["parameters"]:
        default = (
            {"path": None, "url": PIXEL} if parameter["parameter_name"] == "image" else parameter["parameter_default"]
        )
        data.append(value if parameter["parameter_name"] == name else json.dumps(default))
    endpoint = f"{address}/gradio_api/call{called}"
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(endpoint, f'{{"data": [{", ".join(data)}]}}'.encode(), headers), timeout=30) as answer:
        event = json.load(answer)["event_id"]
    with urlopen(f"{endpoint}/{event}", timeout=30) as stream:
        text = stream.read().decode()
    assert "event: error" in text
    assert re.search("must be a (whole )?number", text), text


# ------------------------------------------------------------------------------------------------ visitors


def test_two_visitors_at_once_get_their_own_results(address: str, restorer: Restorer, tmp_path: Path) -> None:
    def visit(visitor: int) -> list[tuple[Image, Image, Image]]:
        own = Client(address, verbose=False)
        results = []
        for turn in range(3):
            path = tmp_path / f"{visitor}_{turn}.png"
            photo(100 + 10 * visitor + turn, (512, 512)).save(path)
            degraded, restored, _ = own.predict(
                image=handle_file(path), seed=visitor, noise=20, api_name="/degrade_and_restore"
            )
            results.append((read_image(path), pixels(degraded), pixels(restored)))
        return results

    with ThreadPoolExecutor(2) as pool:
        visits = list(pool.map(visit, range(2)))
    for visitor, results in enumerate(visits):
        for truth, degraded, restored in results:
            np.testing.assert_array_equal(degraded, degrade_image(truth, Degradation(noise=20), visitor))
            assert np.abs(restored.astype(int) - restorer.restore_aligned(degraded)).max() <= 1


def test_nothing_is_written_outside_the_cache(address: str, client: Client, tmp_path_factory: Any) -> None:
    client.predict(image=handle_file(EILEEN), seed=0, api_name="/degrade")
    folder = next(path for path in tmp_path_factory.getbasetemp().glob("page*") if (path / "app.log").exists())
    assert {path.name for path in folder.iterdir()} == {"app.log", "cache"}
    assert not list(ROOT.glob("*.pyi"))  # Gradio writes one beside every subclass of a component


def test_files_of_the_machine_cannot_be_read(address: str) -> None:
    for path in (ROOT / "app.py", ROOT / "examples" / "make_examples.py", Path("/etc/passwd")):
        with pytest.raises(OSError, match=r"40[34]"):
            urlopen(f"{address}/gradio_api/file={path}", timeout=10)


def test_the_page_keeps_no_history_and_calls_nobody(address: str) -> None:
    with urlopen(f"{address}/config", timeout=10) as answer:
        config = json.load(answer)
    assert config["run_history"] is False
    assert config["analytics_enabled"] is False
    assert not [sheet for sheet in config.get("stylesheets", []) if sheet.startswith("http")]
