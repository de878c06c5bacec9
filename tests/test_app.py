"""The page from outside: the real process, asked by ``gradio_client`` and by an agent's own client."""

import base64
import csv
import io
import json
import re
import time
import zipfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import anyio
import numpy as np
import PIL.Image
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from served import EILEEN, GRACE, ROOT, pixels, running_app

from examples.make_examples import group
from restoration import Degradation, Restorer
from restoration.degrade import degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.faces import crop_centre
from restoration.images import read_image
from restoration.lab import run_experiment
from restoration.lab.recipe import Axis, Recipe
from restoration.measure import psnr, score
from restoration.measure.faithfulness import region_errors
from restoration.measure.identity import judge, load_identity

OLD_PHONE = PRESETS["old_phone"].draw(0)
ENDPOINTS = {
    "/degrade", "/restore", "/degrade_and_restore", "/examine", "/presets", "/compare", "/sweep", "/recipe",
    "/estimate",
}  # fmt: skip
TOOLS = {
    "degrade", "restore", "degrade_and_restore", "examine_restoration", "presets",
    "compare_degradations", "sweep_severities", "read_recipe", "estimate_degradation",
}  # fmt: skip


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
    assert set(named) == ENDPOINTS
    for endpoint in named.values():
        assert len(endpoint["description"]) > 30
        assert all(parameter["label"] and parameter["parameter_name"] for parameter in endpoint["parameters"])
    names = {parameter["parameter_name"] for parameter in named["/degrade_and_restore"]["parameters"]}
    assert names == {"image", "seed", *asdict(Degradation())}
    drawn = {key: Degradation(**each["settings"]) for key, each in client.predict(seed=5, api_name="/presets").items()}
    assert drawn == {key: preset.draw(5) for key, preset in PRESETS.items()}


def test_an_experiment_is_that_of_the_package_bit_for_bit(client: Client, restorer: Restorer) -> None:
    degraded, restored, report = client.predict(
        image=handle_file(GRACE), seed=7, **asdict(OLD_PHONE), api_name="/degrade_and_restore"
    )
    truth = read_image(GRACE)
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


def test_a_program_gets_every_face_restored(client: Client, restorer: Restorer, tmp_path: Path) -> None:
    path = tmp_path / "group.png"
    PIL.Image.fromarray(group()).save(path)
    options: Any = {"detector": "embedded", "scale": 2, "strength": 0.5}
    restored, report = client.predict(image=handle_file(path), **options, api_name="/restore")
    expected = restorer.restore(read_image(path), **options)
    np.testing.assert_array_equal(pixels(restored), expected.photo)
    assert report.items() >= options.items()
    assert len(report["faces"]) == 2
    np.testing.assert_allclose(report["faces"][0]["landmarks"], expected.faces[0].face.landmarks, atol=0.01)
    assert report["model"]["fingerprint"] == restorer.fingerprint
    assert "metrics" not in report  # there is no truth
    photo(3, (700, 600)).save(path)
    restored, report = client.predict(image=handle_file(path), api_name="/restore")
    np.testing.assert_array_equal(pixels(restored), restorer.restore(read_image(path), centre=True).photo)
    assert report["detector"] == "centred square"
    assert "No face was found" in report["warnings"][0]


def test_every_setting_arrives(client: Client) -> None:
    settings = Degradation(
        motion_length=9, motion_angle=20, blur_sigma=3, blur_sigma_y=1, blur_angle=20, downsample=3, kernel="bicubic",
        noise=10, jpeg=50, grayscale=True,
    )  # fmt: skip
    assert all(value != getattr(Degradation(), name) for name, value in asdict(settings).items())
    degraded, _ = client.predict(image=handle_file(EILEEN), seed=5, **asdict(settings), api_name="/degrade")
    np.testing.assert_array_equal(pixels(degraded), degrade_image(read_image(EILEEN), settings, 5))


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


def test_a_comparison_is_that_of_the_package_and_its_recipe_is_read(client: Client) -> None:
    cases = json.dumps({"mine": {"noise": 25}, "small": "thumbnail"})
    answer, path = client.predict(image=handle_file(EILEEN), degradations=cases, seed=4, api_name="/compare")
    assert [row["label"] for row in answer["rows"]] == ["mine", "small"]
    truth = read_image(EILEEN)
    degraded = degrade_image(truth, Degradation(noise=25), 4)
    with zipfile.ZipFile(path) as packed:
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(packed.open("1_mine/degraded.png"))), degraded)
        lines = list(csv.DictReader(io.StringIO(packed.read("metrics.csv").decode())))
    assert float(lines[0]["psnr_db"]) == pytest.approx(psnr(degraded, truth), abs=1e-4)
    assert answer["rows"][0]["cells"][0]["scores"]["psnr"] == pytest.approx(psnr(degraded, truth))
    read = client.predict(token=answer["token"], api_name="/recipe")
    assert read["same_weights"] is True
    assert Recipe.from_json(read["recipe"]).cases["mine"] == Degradation(noise=25)
    assert "Degradation(noise=25" in read["code"]


def test_a_sweep_is_that_of_the_package(client: Client, restorer: Restorer) -> None:
    answer, path = client.predict(
        image=handle_file(GRACE), column_setting="noise", column_low=0, column_high=30, column_steps=3, row_setting="",
        base='{"jpeg": 60}', seed=2, api_name="/sweep",
    )  # fmt: skip
    plan = Recipe.from_token(answer["token"]).plan
    assert plan is not None
    assert (plan.x, plan.base) == (Axis("noise", (0, 15, 30)), Degradation(jpeg=60))
    alone = run_experiment(str(GRACE), Degradation(noise=15, jpeg=60), 2, restorer, None)
    before, after = alone.scores.values()
    point = answer["points"][1]
    assert point["before"]["psnr"] == pytest.approx(before.psnr)
    assert point["after"]["psnr"] == pytest.approx(after.psnr, abs=0.01)
    with zipfile.ZipFile(path) as packed:
        assert len(packed.read("metrics.csv").decode().splitlines()) == 4


def test_a_photo_s_past_is_estimated(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "noisy.png"
    PIL.Image.fromarray(degrade_image(read_image(EILEEN), Degradation(downsample=8, noise=5), 0)).save(path)
    answer = client.predict(image=handle_file(path), api_name="/estimate")
    assert answer["downsample"]["low"] <= answer["downsample"]["value"] <= answer["downsample"]["high"]
    assert answer["downsample"]["value"] > 3
    assert "holds detail of about" in answer["words"]
    assert Degradation(**answer["settings"]).downsample == pytest.approx(answer["downsample"]["value"], abs=0.06)


@pytest.mark.parametrize(("endpoint", "arguments", "message"), [
    ("/degrade_and_restore", {"blur_sigma": None}, "blur_sigma.*must be a number"),
    ("/degrade_and_restore", {"motion_length": 65}, "motion_length.*from 0 to 64"),
    ("/degrade_and_restore", {"jpeg": 50.5}, "whole number"),
    # Escaped: the page shows messages as HTML.
    ("/degrade_and_restore", {"kernel": "<b>cubic</b>"}, "&lt;b&gt;cubic"),
    ("/degrade_and_restore", {"seed": -1}, "seed must be a whole number"),
    ("/degrade_and_restore", {"seed": None}, "seed must be a whole number"),
    ("/restore", {"detector": "/etc"}, "detector is one of"),
    ("/restore", {"scale": 3}, "1, 2 or 4"),
    ("/restore", {"strength": 1.5}, "strength is from 0"),
    ("/compare", {"degradations": '{"x": "no_preset"}'}, "There is no preset"),
    ("/compare", {"degradations": '{"x": {"noise": 101}}'}, "noise"),
    ("/compare", {"degradations": "{}"}, "1 to 12"),
    ("/compare", {"degradations": "noise"}, "as JSON"),
    ("/sweep", {"column_setting": "hair"}, "Sweep one of"),
    ("/sweep", {"column_steps": 90}, "fewer steps|lowest value below"),
])  # fmt: skip
def test_misuse_gets_a_clear_message(client: Client, endpoint: str, arguments: dict[str, Any], message: str) -> None:
    seed: dict[str, Any] = {} if endpoint == "/restore" else {"seed": 0}
    with pytest.raises(AppError, match=message):
        client.predict(image=handle_file(EILEEN), **{**seed, **arguments}, api_name=endpoint)


NO_NUMBER, GONE = "must be a (whole )?number", "This picture is no longer on the server"
ELSEWHERE = '{"path": "/tmp/of_the_server_before.png", "meta": {"_type": "gradio.FileData"}}'


@pytest.mark.parametrize(("name", "value", "message"), [
    ("noise", "NaN", NO_NUMBER), ("downsample", "Infinity", NO_NUMBER), ("seed", "NaN", NO_NUMBER),
    ("image", ELSEWHERE, GONE),
])  # fmt: skip
def test_what_no_client_of_ours_sends_gets_a_clear_message(
    address: str, client: Client, name: str, value: str, message: str
) -> None:
    """NaN, which is not JSON, and a page's file when its server was started anew."""
    called = "/presets" if name == "seed" else "/degrade"
    data = []
    for parameter in client.view_api(return_format="dict")["named_endpoints"][called]["parameters"]:
        given = {"image": json.dumps({"path": None, "url": PIXEL}), name: value}
        data.append(given.get(parameter["parameter_name"], json.dumps(parameter["parameter_default"])))
    endpoint = f"{address}/gradio_api/call{called}"
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(endpoint, f'{{"data": [{", ".join(data)}]}}'.encode(), headers), timeout=30) as answer:
        event = json.load(answer)["event_id"]
    with urlopen(f"{endpoint}/{event}", timeout=30) as stream:
        text = stream.read().decode()
    assert "event: error" in text
    assert re.search(message, text), text


# ------------------------------------------------------------------------------------------------ pictures come in


def encoded(picture: PIL.Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


PIXEL = "data:image/png;base64," + base64.b64encode(encoded(photo(0), format="PNG")).decode()
EXIF = PIL.Image.Exif()
EXIF[0x0112] = 6  # turned
CLEAR = photo(2).convert("RGBA")
CLEAR.putalpha(PIL.Image.linear_gradient("L").resize(CLEAR.size))
DEEP = PIL.Image.fromarray(np.linspace(0, 65535, 96 * 120).reshape(120, 96).astype(np.uint16))
PICTURES = {
    "sixteen_bit.png": encoded(DEEP, format="PNG"),
    "rotated.jpg": encoded(photo(1), format="JPEG", quality=95, exif=EXIF),
    "transparent.png": encoded(CLEAR, format="PNG"),
    "wrong_name.png": encoded(photo(6), format="GIF", save_all=True, append_images=[photo(7)]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_of_picture_arrives_as_the_package_reads_it(client: Client, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PICTURES[name])
    arrived, _ = client.predict(image=handle_file(path), seed=0, api_name="/degrade")  # everything is off
    np.testing.assert_array_equal(pixels(arrived), crop_centre(read_image(PICTURES[name])))


GOOD = encoded(photo(0), format="JPEG")


@pytest.mark.parametrize(("endpoint", "name", "data", "message"), [
    ("/restore", "truncated.jpg", GOOD[: len(GOOD) // 2], "damaged or cut short"),
    ("/degrade", "text.png", b"this is not a picture\n" * 50, "not a picture|Supported formats"),
    ("/degrade_and_restore", "empty.png", b"", "not a picture"),
    ("/restore", "dot.png", encoded(photo(0, (1, 1)), format="PNG"), "16"),
    ("/degrade", "large.png", encoded(PIL.Image.new("1", (10_000, 10_000)), format="PNG"), "megapixels"),
    ("/restore", "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Supported formats"),
    *((endpoint, "", None, "There is no picture yet") for endpoint in ("/restore", "/degrade", "/degrade_and_restore")),
])  # fmt: skip
def test_a_bad_picture_gets_a_clear_message(
    client: Client, tmp_path: Path, endpoint: str, name: str, data: bytes | None, message: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    rest = {} if endpoint == "/restore" else {"seed": 0}
    with pytest.raises(AppError, match=message):
        client.predict(image=data if data is None else handle_file(tmp_path / name), **rest, api_name=endpoint)


def test_a_file_over_the_limit_is_refused(client: Client, tmp_path: Path) -> None:
    (tmp_path / "heavy.bmp").write_bytes(bytes(31 * 2**20))
    with pytest.raises(Exception, match=r"(?i)413|too large|size"):
        client.predict(image=handle_file(tmp_path / "heavy.bmp"), api_name="/restore")


# ------------------------------------------------------------------------------------------------ visitors


def test_two_visitors_at_once_get_their_own_results(address: str, restorer: Restorer, tmp_path: Path) -> None:
    def visit(visitor: int) -> None:
        own = Client(address, verbose=False)
        for turn in range(3):
            path = tmp_path / f"{visitor}_{turn}.png"
            photo(100 + 10 * visitor + turn, (512, 512)).save(path)
            degraded, restored, _ = own.predict(
                image=handle_file(path), seed=visitor, noise=20, api_name="/degrade_and_restore"
            )
            expected = degrade_image(read_image(path), Degradation(noise=20), visitor)
            np.testing.assert_array_equal(pixels(degraded), expected)
            assert np.abs(pixels(restored).astype(int) - restorer.restore_aligned(expected)).max() <= 1

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(visit, range(2)))  # raises what a visit raised


def test_a_visitors_files_expire_and_the_first_results_stay(tmp_path: Path) -> None:
    soon = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import app; app.FILES_EXPIRE = 8; app.main()"

    def files() -> set[Path]:
        return {path for path in (tmp_path / "cache").rglob("*") if path.is_file()}

    with running_app(tmp_path, "-c", soon) as url:
        kept = files()
        assert (
            sum(path.name == "restored.png" for path in kept) == 3
        )  # of both tabs, and the face that can be looked at
        photo(5).save(tmp_path / "own.png")
        visitor = Client(url, verbose=False, download_files=False)
        visitor.predict(image=handle_file(tmp_path / "own.png"), degradations='{"a": {}}', seed=0, api_name="/compare")
        assert {path.suffix for path in files() - kept} == {".png", ".zip"}  # the upload itself, too
        deadline = time.monotonic() + 120
        while files() - kept and time.monotonic() < deadline:
            time.sleep(0.2)
        assert files() == kept


def test_the_page_keeps_no_history_calls_nobody_and_neither_gives_nor_leaves_files(
    address: str, client: Client, tmp_path_factory: Any
) -> None:
    client.predict(image=handle_file(EILEEN), seed=0, api_name="/degrade")
    folder = next(path for path in tmp_path_factory.getbasetemp().glob("page*") if (path / "app.log").exists())
    assert {path.name for path in folder.iterdir()} == {"app.log", "cache"}
    assert not list(ROOT.glob("*.pyi"))  # Gradio writes one beside every subclass of a component
    with urlopen(f"{address}/config", timeout=10) as answer:
        config = json.load(answer)
    assert (config["run_history"], config["analytics_enabled"]) == (False, False)
    assert not [sheet for sheet in config.get("stylesheets", []) if sheet.startswith("http")]
    for path in (ROOT / "app.py", ROOT / "examples" / "make_examples.py", Path("/etc/passwd")):
        with pytest.raises(OSError, match=r"40[34]"):
            urlopen(f"{address}/gradio_api/file={path}", timeout=10)


# ------------------------------------------------------------------------------------------------ agents


def ask(address: str, question: Callable[[ClientSession], Awaitable[Any]]) -> Any:
    """One session with the page's MCP server, by the protocol's own client."""

    async def session() -> Any:
        async with (
            streamablehttp_client(f"{address}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as client,
        ):
            await client.initialize()
            return await question(client)

    with ThreadPoolExecutor(1) as elsewhere:  # Playwright keeps a loop of its own in this thread
        return elsewhere.submit(anyio.run, session).result()


def test_every_capability_is_a_documented_tool(address: str) -> None:
    tools = {tool.name: tool for tool in ask(address, lambda client: client.list_tools()).tools}
    assert set(tools) >= TOOLS
    for tool in tools.values():
        assert len(tool.description) > 40, tool.name
        assert tool.inputSchema["properties"], tool.name
    described = tools["sweep_severities"].inputSchema["properties"]["column_low"]
    assert "lowest value" in described["description"]


def test_an_agent_degrades_and_restores_and_is_told_what_was_wrong(address: str) -> None:
    picture = "data:image/png;base64," + base64.b64encode(EILEEN.read_bytes()).decode()
    arguments = {"image": picture, "seed": 3, "noise": 20}
    answer = ask(address, lambda client: client.call_tool("degrade_and_restore", arguments))
    assert not answer.isError, answer.content
    text = " ".join(content.text for content in answer.content if content.type == "text")
    assert "psnr_db" in text
    files = re.findall(r"http://[^\s'\"]+?\.png", text)
    assert len(files) == 2
    with urlopen(files[0], timeout=30) as file:
        degraded = np.asarray(PIL.Image.open(io.BytesIO(file.read())).convert("RGB"))
    np.testing.assert_array_equal(degraded, degrade_image(read_image(EILEEN), Degradation(noise=20), 3))
    wrong = ask(address, lambda client: client.call_tool("read_recipe", {"token": "nonsense"}))
    assert wrong.isError
    assert "recipe is damaged" in " ".join(content.text for content in wrong.content)
