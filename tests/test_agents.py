"""Programs and agents: the laboratory by ``gradio_client``, every tool by the Model Context Protocol's own client."""

import base64
import csv
import io
import json
import re
import zipfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import numpy as np
import PIL.Image
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from served import EILEEN, GRACE

from restoration import Degradation, Restorer, degrade_image, read_image
from restoration.lab import run_experiment
from restoration.lab.grid import Axis
from restoration.lab.recipe import Recipe
from restoration.measure import psnr

TOOLS = {
    "degrade", "restore", "degrade_and_restore", "examine_restoration", "presets",
    "compare_degradations", "sweep_severities", "read_recipe", "estimate_degradation",
}  # fmt: skip


def archive(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def test_a_comparison_is_that_of_the_package(client: Client) -> None:
    cases = {"mine": {"noise": 25}, "small": "thumbnail"}
    answer, path = client.predict(
        image=handle_file(EILEEN), degradations=json.dumps(cases), seed=4, api_name="/compare"
    )
    assert [row["label"] for row in answer["rows"]] == ["mine", "small"]
    truth = read_image(EILEEN)
    degraded = degrade_image(truth, Degradation(noise=25), 4)
    with archive(path) as packed:
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(packed.open("1_mine/degraded.png"))), degraded)
        lines = list(csv.DictReader(io.StringIO(packed.read("metrics.csv").decode())))
    assert float(lines[0]["psnr_db"]) == pytest.approx(psnr(degraded, truth), abs=1e-4)
    assert answer["rows"][0]["cells"][0]["scores"]["psnr"] == pytest.approx(psnr(degraded, truth))
    assert Recipe.from_token(answer["token"]).cases["mine"] == Degradation(noise=25)


def test_a_sweep_is_that_of_the_package(client: Client) -> None:
    answer, path = client.predict(
        image=handle_file(GRACE), column_setting="noise", column_low=0, column_high=30, column_steps=3, row_setting="",
        base='{"jpeg": 60}', seed=2, api_name="/sweep",
    )  # fmt: skip
    plan = Recipe.from_token(answer["token"]).plan
    assert plan is not None
    assert plan.x == Axis("noise", (0, 15, 30))
    assert plan.base == Degradation(jpeg=60)
    alone = run_experiment(str(GRACE), Degradation(noise=15, jpeg=60), 2, Restorer.from_pretrained(), None)
    before, after = alone.scores.values()
    point = answer["points"][1]
    assert point["before"]["psnr"] == pytest.approx(before.psnr)
    assert point["after"]["psnr"] == pytest.approx(after.psnr, abs=0.01)
    with archive(path) as packed:
        assert len(packed.read("metrics.csv").decode().splitlines()) == 4


def test_a_photo_s_past_is_estimated(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "noisy.png"
    PIL.Image.fromarray(degrade_image(read_image(EILEEN), Degradation(downsample=8, noise=5), 0)).save(path)
    answer = client.predict(image=handle_file(path), api_name="/estimate")
    assert answer["downsample"]["low"] <= answer["downsample"]["value"] <= answer["downsample"]["high"]
    assert answer["downsample"]["value"] > 3
    assert "holds detail of about" in answer["words"]
    assert Degradation(**answer["settings"]).downsample == pytest.approx(answer["downsample"]["value"], abs=0.06)


def test_a_recipe_is_read(client: Client) -> None:
    cases = '{"x": {"jpeg": 9}}'
    answer, _ = client.predict(image=handle_file(EILEEN), degradations=cases, seed=0, api_name="/compare")
    read = client.predict(token=answer["token"], api_name="/recipe")
    assert read["same_weights"] is True
    assert Recipe.from_json(read["recipe"]).cases == {"x": Degradation(jpeg=9)}
    assert "Degradation(jpeg=9)" in read["code"]


@pytest.mark.parametrize(("endpoint", "arguments", "message"), [
    ("/compare", {"degradations": '{"x": "no_preset"}'}, "There is no preset"),
    ("/compare", {"degradations": '{"x": {"noise": 101}}'}, "noise"),
    ("/compare", {"degradations": "{}"}, "1 to 12"),
    ("/compare", {"degradations": "noise"}, "as JSON"),
    ("/sweep", {"column_setting": "hair"}, "Sweep one of"),
    ("/sweep", {"column_steps": 90}, "fewer steps|lowest value below"),
])  # fmt: skip
def test_misuse_gets_a_clear_message(client: Client, endpoint: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(image=handle_file(EILEEN), seed=0, **arguments, api_name=endpoint)


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


def test_an_agent_degrades_and_restores(address: str) -> None:
    picture = "data:image/png;base64," + base64.b64encode(Path(EILEEN).read_bytes()).decode()
    answer = ask(
        address, lambda client: client.call_tool("degrade_and_restore", {"image": picture, "seed": 3, "noise": 20})
    )
    assert not answer.isError, answer.content
    text = " ".join(content.text for content in answer.content if content.type == "text")
    assert "psnr_db" in text
    files = re.findall(r"http://[^\s'\"]+?\.png", text)
    assert len(files) == 2
    with urlopen(files[0], timeout=30) as file:
        degraded = np.asarray(PIL.Image.open(io.BytesIO(file.read())).convert("RGB"))
    np.testing.assert_array_equal(degraded, degrade_image(read_image(EILEEN), Degradation(noise=20), 3))


def test_an_agent_is_told_what_was_wrong(address: str) -> None:
    arguments = {"token": "nonsense"}
    answer = ask(address, lambda client: client.call_tool("read_recipe", arguments))
    assert answer.isError
    assert "recipe is damaged" in " ".join(content.text for content in answer.content)
