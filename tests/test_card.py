"""The model card: it says what the files beside it say, and no more."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard, ModelCardData
from tiny import FACTS, SMALL

from restoration.hub import Weights, WeightsError, load_weights
from restoration.hub.card import is_generated, model_card
from restoration.network.unet import UNet

REPO = "someone/faces"


def mean(value: float, half: float = 0.5) -> dict[str, float]:
    return {"mean": value, "ci95": half}


def evaluation(**changes: Any) -> dict[str, Any]:
    """What ``train/evaluate.py`` writes, of the tiny weights: restored is better in PSNR and worse in SSIM."""
    run = {
        "set": "val",
        "protocol": "blind",
        "images": 20,
        "methods": {
            "degraded input": {"psnr": mean(24.0), "ssim": mean(0.7)},
            "restored": {"psnr": mean(25.5), "ssim": mean(0.69, float("nan"))},
        },
        **changes,
    }
    torch.manual_seed(0)  # as the fixture of the tiny weights
    halves = {key: value.half().float() for key, value in UNet(SMALL).state_dict().items()}
    model = UNet(SMALL)
    model.load_state_dict(halves)
    weights = {"name": "tiny", "source": "x", "fingerprint": Weights(model, {}, "").fingerprint}
    return {"weights": weights, "identity": None, "torch": "2", "runs": [run]}


@pytest.fixture
def weights(tiny_weights: Path) -> Weights:
    return load_weights(tiny_weights)


def table(card: str, first: str) -> list[list[str]]:
    """Cells of the rows that follow the head which begins with ``first``, as Markdown's rules read them."""
    lines = card[card.index(f"| {first}") :].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(row) for row in rows}) == 1
    return rows[2:]


def test_results_hold_the_degraded_input_and_the_differences_to_it(weights: Weights) -> None:
    rows = table(model_card(REPO, weights, evaluation(), "A face."), "method")
    assert rows[0] == ["degraded input", "24.00 ± 0.50", "0.7000 ± 0.5000", "not measured"]
    assert rows[1] == ["restored", "25.50 ± 0.50 (+1.50)", "0.6900 (-0.0100)", "not measured"]


def test_where_it_is_worse_is_a_limit(weights: Weights) -> None:
    card = model_card(REPO, weights, evaluation(), "A face.")
    assert "- Worse than the degraded input on val, protocol blind, in SSIM: by 0.0100." in card
    assert "in PSNR" not in card
    assert "Gaussian noise sigma 0 to 20 grey levels" in card


def test_the_front_matter_holds_the_results_as_a_model_index(weights: Weights) -> None:
    card = ModelCard(model_card(REPO, weights, evaluation(), "A face."))  # the Hub's own reader
    assert isinstance(card.data, ModelCardData)
    assert (card.data.license, card.data.pipeline_tag) == ("apache-2.0", "image-to-image")
    assert card.data.model_name == "tiny"
    values = {result.metric_type: result.metric_value for result in card.data.eval_results or []}
    assert values == {"psnr": 25.5, "ssim": 0.69}
    assert {result.dataset_config for result in card.data.eval_results or []} == {"blind"}


def test_nothing_is_claimed_without_an_evaluation(weights: Weights) -> None:
    text = model_card(REPO, weights, None, "A face.")
    assert "Not measured: nothing is known about how good these weights are." in text
    assert "no results by group" in text
    assert "not recorded" in text  # data
    assert ModelCard(text).data.to_dict().get("model-index") is None


def test_groups_become_a_table_with_the_gap(weights: Weights) -> None:
    def group(name: str, psnr: float) -> dict[str, Any]:
        methods = {"degraded input": {"psnr": mean(20)}, "restored": {"psnr": mean(psnr)}}
        return {"name": name, "images": 9, "methods": methods, "gain": {"psnr": mean(psnr - 20)}}

    gap = {"psnr": {"best": "b", "worst": "a", "gap": 2.0, "ci95": 0.7}}
    grouping = {"by": "folder", "method": "restored", "gap": gap, "gap_of_gain": gap}
    groups = [group("a", 23), group("b", 25)]
    card = model_card(REPO, weights, evaluation(groupings=[{**grouping, "groups": groups}]), "A face.")
    rows = table(card, "group")
    assert rows[0][:4] == ["a", "9", "23.00 ± 0.50", "3.00 ± 0.50"]
    assert rows[1][:4] == ["b", "9", "25.00 ± 0.50", "5.00 ± 0.50"]
    assert rows[2][:4] == ["**gap, best to worst**", "", "2.00 ± 0.70", "2.00 ± 0.70"]
    assert rows[0][4:] == ["not measured"] * 4


def test_data_and_recipe_are_those_of_the_training(tiny_weights: Path) -> None:
    facts = {
        **FACTS,
        "data": ["faces | train"],
        "training_faces": 4259,
        "datasets": [
            {"name": "FFHQ", "license": "cc-by-nc-sa-4.0", "id": "nvidia/ffhq"},
            {"name": "x", "license": "y"},
        ],
        "hardware": "one <GPU>, [click](javascript:alert) ![t](http://evil/x.png) \\[y](z)",
        "step": 3000,
        "seconds": 1776,
        "config": {"batch": 12, "identity": "/home/anna/teacher.pt", "model": {"widths": [8]}},
        "license": "My own licence",
    }
    weights = Weights(load_weights(tiny_weights).model, facts, "x")
    text = model_card(REPO, weights, None, "A face.")
    assert "4,259 faces" in text
    assert "faces \\| train" in text
    assert "| FFHQ | cc-by-nc-sa-4.0 |" in text
    assert "3000 steps, 30 minutes, on one &lt;GPU&gt;" in text
    assert r"\[click\](javascript:alert) !\[t\](http://evil/x.png) \\\[y\](z)" in text
    assert "| batch | 12 |" in text
    assert "| identity | teacher.pt |" in text
    assert "anna" not in text
    data = ModelCard(text).data.to_dict()
    assert (data["license"], data["license_name"], data["datasets"]) == ("other", "My own licence", ["nvidia/ffhq"])


def test_an_evaluation_of_other_weights_is_refused(weights: Weights) -> None:
    other = evaluation()
    other["weights"]["fingerprint"] = "0" * 12
    unknown = evaluation()
    del unknown["weights"]["fingerprint"]
    for wrong, message in (
        (other, "not about these weights"),
        (unknown, "not recorded, not about these weights"),
        (evaluation(methods={"restored": {"psnr": mean(25)}}), "lacks the degraded input"),
        (evaluation(methods={"degraded input": {"psnr": 25.0}}), "not what train/evaluate.py writes"),
        ({"runs": []}, "not what train/evaluate.py writes"),
        ({**evaluation(), "weights": "tiny"}, "not what train/evaluate.py writes"),
        ({**evaluation(), "runs": 5}, "not what train/evaluate.py writes"),
        (evaluation(methods={"degraded input": {}, "restored": {"psnr": mean(25)}}), "not what train/evaluate.py"),
        (evaluation(methods={"degraded input": {"psnr": mean("a", "b")}}), "not what train/evaluate.py"),  # type: ignore[arg-type]
        (evaluation(groupings=[5]), "not what train/evaluate.py writes"),
    ):
        with pytest.raises(WeightsError, match=message):
            model_card(REPO, weights, wrong, "A face.")


def test_a_card_that_a_person_touched_is_theirs(weights: Weights) -> None:
    card = model_card(REPO, weights, evaluation(), "A face.")
    assert is_generated(card)
    assert card == model_card(REPO, weights, json.loads(json.dumps(evaluation())), "A face.")
    for theirs in (card.replace("faithful", "creative"), card + "PS: hello\n", "", "# My model\n", card[:-9]):
        assert not is_generated(theirs)
