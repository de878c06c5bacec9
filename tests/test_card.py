"""The model card: it says what the files beside it say, and no more."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard, ModelCardData
from tiny import FACTS, REPO, tiny_network

from restoration.hub import load_weights
from restoration.hub.staging import model_card
from restoration.network.checkpoint import Weights, WeightsError

TABLES = "| method | PSNR, dB |\n|---|---|\n| degraded input | 24.00 ± 0.50 |\n| restored | 25.50 ± 0.50 (+1.50) |"


def mean(value: Any, half: Any = 0.5) -> dict[str, Any]:
    return {"mean": value, "ci95": half}


def evaluation(**changes: Any) -> dict[str, Any]:
    """What ``train/evaluate.py`` writes, of the tiny weights: restored is better in PSNR and worse in SSIM."""
    methods = {
        "degraded input": {"psnr": mean(24.0), "ssim": mean(0.7)},
        "restored": {"psnr": mean(25.5), "ssim": mean(0.69, float("nan"))},
    }
    run = {"set": "val", "protocol": "blind", "images": 20, "methods": methods, **changes}
    torch.manual_seed(0)  # as the fixture of the tiny weights
    model = tiny_network()
    model.load_state_dict({key: value.half().float() for key, value in model.state_dict().items()})
    weights = {"name": "tiny", "source": "x", "fingerprint": Weights(model, {}, "").fingerprint}
    return {"weights": weights, "identity": None, "torch": "2", "runs": [run]}


@pytest.fixture
def weights(tiny_weights: Path) -> Weights:
    return load_weights(tiny_weights)


@pytest.fixture
def card(tmp_path: Path) -> Callable[..., str]:
    def make(weights: Weights, evaluated: dict[str, Any] | None = None) -> str:
        if evaluated:
            (tmp_path / "evaluation.json").write_text(json.dumps(evaluated))
            (tmp_path / "evaluation.md").write_text(TABLES)
        return model_card(REPO, weights, tmp_path)

    return make


def test_results_are_those_of_the_evaluation_and_where_it_is_worse_is_a_limit(weights: Weights, card) -> None:
    text = card(weights, evaluation())
    assert f"\n\n{TABLES}\n\n## Limits" in text
    assert "- Worse than the degraded input on val, protocol blind, in SSIM: by 0.0100." in text
    assert "in PSNR" not in text
    assert "- Trained on: Gaussian noise sigma 0 to 20 grey levels. Anything outside is a guess." in text
    assert f'Restorer.from_pretrained("{REPO}")' in text
    data = ModelCard(text).data  # the Hub's own reader
    assert isinstance(data, ModelCardData)
    assert (data.license, data.pipeline_tag, data.model_name) == ("apache-2.0", "image-to-image", "tiny")
    values = {(result.dataset_config, result.metric_type): result.metric_value for result in data.eval_results or []}
    assert values == {("blind", "psnr"): 25.5, ("blind", "ssim"): 0.69}


def test_nothing_is_claimed_without_an_evaluation(weights: Weights, card) -> None:
    text = card(weights)
    assert "Not measured: nothing is known about how good these weights are, nor whether" in text
    assert "How many faces it was trained on is not recorded." in text
    assert ModelCard(text).data.to_dict().get("model-index") is None
    assert "weights: not stated by their author" in card(Weights(weights.model, {**FACTS, "license": "other"}, "x"))


def test_data_and_recipe_are_those_of_the_training(weights: Weights, card) -> None:
    facts = {
        **FACTS,
        "data": ["faces | train"],
        "training_faces": 4259,
        "datasets": [{"name": "FFHQ", "license": "cc-by", "id": "nvidia/ffhq"}, {"name": "x", "license": "y"}],
        "hardware": "one <GPU>, [click](javascript:alert) ![t](http://evil/x.png) \\[y](z)",
        "step": 3000,
        "seconds": 1776,
        "config": {"batch": 12, "init": None, "model": {"widths": [8]}},
        "license": "My own licence",
    }
    text = card(Weights(weights.model, facts, "x"))
    assert "Trained on 4,259 faces. Folders, as they were named: faces \\| train.\n" in text
    assert "\n| FFHQ | cc-by |\n| x | y |\n\n**Licence of the weights: My own licence.**" in text
    assert "3000 steps, 30 minutes, on one &lt;GPU&gt;" in text
    assert r"\[click\](javascript:alert) !\[t\](http://evil/x.png) \\\[y\](z)" in text
    assert "\n| setting | value |\n| --- | --- |\n| batch | 12 |\n\n##" in text
    data = ModelCard(text).data.to_dict()
    assert (data["license"], data["license_name"], data["datasets"]) == ("other", "My own licence", ["nvidia/ffhq"])


def test_an_evaluation_of_other_weights_is_refused(weights: Weights, card) -> None:
    other = evaluation()
    other["weights"]["fingerprint"] = "0" * 12
    malformed = "not what train/evaluate.py writes"
    with pytest.raises(WeightsError, match="not what a training writes"):
        card(Weights(weights.model, {**FACTS, "config": [1]}, "x"))
    for wrong, message in (
        (other, "not about these weights"),
        (evaluation(methods={"restored": {"psnr": mean(25)}}), malformed),
        (evaluation(methods={"degraded input": {}, "restored": {"psnr": mean("a")}}), malformed),
        ({**evaluation(), "weights": "tiny"}, malformed),
    ):
        with pytest.raises(WeightsError, match=message):
            card(weights, wrong)
