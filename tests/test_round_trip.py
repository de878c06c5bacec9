"""The retraining loop: train, evaluate, push, run the page on that revision, restore."""

import json
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from gradio_client import Client, handle_file
from hub_server import WRITER, Hub
from huggingface_hub import ModelCard
from served import EILEEN, pixels, running_app
from tiny import COMMAND, REPO

from restoration import Restorer
from restoration.images import read_image
from train.run import main as train


def test_train_push_and_the_page_on_that_revision(hub: Hub, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITER)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    named = ["--out", str(out), "--name", "ours", "--datasets", "portraits=public domain"]
    push = [*COMMAND, *named, "--validation-faces", "1", "--push-to-hub", REPO]
    assert train([*push, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["push"] == {"repository": REPO, "public": False}
    assert not hub.repositories
    assert train([*push, "--stop-after", "1"]) == 0
    assert not hub.repositories  # what is not finished is not published
    assert train(push) == 0
    model = hub.model(REPO)
    assert capsys.readouterr().out.endswith(f"{REPO}: revision {model.head}, tag v1\n")
    logs = {f"{stage}/{name}" for stage in ("face", "detail") for name in ("curves.png", "train.csv", "validation.csv")}
    assert {"evaluation.json", "evaluation.md", "detail/run.json", *logs} <= set(model.files)
    card = ModelCard(model.files["README.md"].decode())
    told = {row.dataset_config: row.metric_value for row in card.data.eval_results if row.metric_type == "psnr"}
    measured = {run["protocol"]: run["methods"] for run in json.loads(model.files["evaluation.json"])["runs"]}
    assert told == {name: round(methods["restored"]["psnr"]["mean"], 2) for name, methods in measured.items()}
    assert set(told) == {"blind", "original"}
    assert "| portraits | public domain |" in card.text
    assert train([*push, "--dry-run"]) == 0
    plan = json.loads(capsys.readouterr().out)["push"]
    assert set(plan["files"]) | {".gitattributes"} == set(model.files)
    assert len(model.commits) == 2

    monkeypatch.setenv("RESTORATION_MODEL", f"{REPO}@v1")
    for name, value in (("ENDPOINT", hub.endpoint), ("HOME", str(tmp_path / "hf")), ("HUB_DISABLE_XET", "1")):
        monkeypatch.setenv(f"HF_{name}", value)
    with running_app(tmp_path) as address:
        with urlopen(f"{address}/config", timeout=30) as answer:
            assert f"Hub: {REPO}@v1, revision {model.head[:12]}" in json.dumps(json.load(answer))
        restored = Client(address, verbose=False).predict(handle_file(EILEEN), api_name="/restore")[0]
        shown = pixels(restored)
    photo = read_image(EILEEN)
    assert np.array_equal(shown, Restorer.from_pretrained(out / "weights").restore(photo).photo)
    assert not np.array_equal(shown, Restorer.from_pretrained().restore(photo).photo)
