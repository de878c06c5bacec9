"""A link fills the controls so that pressing the button gives the recipe again."""

import dataclasses
import json
from typing import Any

import pytest
from tiny import EXAMPLES

from restoration import Degradation, InputError, read_image
from restoration.degrade.protocols import PRESETS
from restoration.images import Image
from restoration.lab.grid import Axis, SeverityGrid
from restoration.lab.recipe import Recipe, picture_id
from restoration.page.settings import (
    CURRENT,
    CURRENT_LABEL,
    NOTHING,
    base,
    cases,
    drawn,
    open_recipe,
    plan,
)
from restoration.page.widgets import share

FACES = {name: str(EXAMPLES / f"{name}.png") for name in ("eileen_collins", "grace_hopper")}
FACE = read_image(FACES["grace_hopper"])
KNOWN = {picture_id(read_image(path)): name for name, path in FACES.items()}
MODEL = "0123456789ab"
OWN = Degradation(motion_length=11, blur_sigma=2, blur_sigma_y=0.5, blur_angle=-20, jpeg=33, grayscale=True)


def write_recipe(view: Any, seed: int, face: Image = FACE, **what: Any) -> Recipe:
    own = picture_id(face)
    return Recipe(view=view, face=KNOWN.get(own, ""), picture=own, seed=seed, model=MODEL, **what)


@pytest.mark.parametrize("seed", [0, 5])
def test_presets_and_own_settings_come_back(seed: int) -> None:
    knobs = open_recipe(write_recipe("test", seed, cases={CURRENT_LABEL: OWN}).to_token(), FACES, MODEL).knobs
    chosen = [*PRESETS, CURRENT]
    asked = cases(chosen, knobs, seed)
    assert list(asked)[-1] == CURRENT_LABEL
    assert asked[CURRENT_LABEL] == OWN
    recipe = write_recipe("compare", seed, cases=asked)
    assert recipe.face == "grace_hopper"
    opened = open_recipe(recipe.to_token(), FACES, MODEL)
    assert opened.recipe == recipe
    assert opened.chosen == chosen
    assert opened.notes == []
    assert cases(opened.chosen, opened.knobs, seed) == asked


@pytest.mark.parametrize("start", [NOTHING, "video_call", CURRENT])
def test_a_sweep_comes_back(start: str) -> None:
    knobs = open_recipe(write_recipe("test", 1, cases={CURRENT_LABEL: OWN}).to_token(), FACES, MODEL).knobs
    asked = plan(base(start, knobs, 1), ("noise", 0, 25, 6), ("downsample", 1, 8, 4))
    assert asked.x == Axis("noise", (0, 5, 10, 15, 20, 25))
    opened = open_recipe(write_recipe("sweep", 1, plan=asked).to_token(), FACES, MODEL)
    assert opened.chosen == [start]
    assert plan(base(start, opened.knobs, 1), ("noise", 0, 25, 6), ("downsample", 1, 8, 4)) == asked


def test_one_experiment_fills_all_controls() -> None:
    recipe = write_recipe("test", 1, cases={"Old phone": drawn("old_phone", 1)})
    opened = open_recipe(recipe.to_token(), FACES, MODEL)
    assert opened.chosen == ["old_phone"]
    assert opened.knobs["downsample"] == 4


def test_what_differs_is_said() -> None:
    own = FACE[::-1].copy()
    recipe = write_recipe("test", 1, own, cases={"Old phone": drawn("old_phone", 1)})
    assert recipe.face == ""
    notes = open_recipe(recipe.to_token(), FACES, "ba9876543210").notes
    assert len(notes) == 2
    assert "choose that picture" in notes[0]
    assert "ba9876543210" in notes[1]
    mine = write_recipe("test", 1, cases={"Old phone": drawn("old_phone", 1)})
    other = dataclasses.replace(mine, picture="0" * 12)
    assert open_recipe(other.to_token(), FACES, MODEL).notes == [
        "This recipe was made with another picture: its numbers will differ."
    ]


def test_what_the_page_cannot_hold_is_refused() -> None:
    two = write_recipe("compare", 1, cases={"a": OWN, "b": Degradation(noise=77)})
    with pytest.raises(InputError, match="several degradations of its own"):
        open_recipe(two.to_token(), FACES, MODEL)
    fields = json.loads(two.to_json())
    stranger = Recipe.from_json(json.dumps({**fields, "face": "../../etc/passwd"}))
    with pytest.raises(InputError, match="does not have"):
        open_recipe(stranger.to_token(), FACES, MODEL)
    with pytest.raises(InputError, match="damaged"):
        open_recipe("nonsense", FACES, MODEL)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_sweep_without_numbers_is_refused(missing: int) -> None:
    numbers = [0, 10, 3]
    numbers[missing] = None  # type: ignore[call-overload]
    with pytest.raises(InputError, match="needs numbers"):
        plan(Degradation(), ("noise", *numbers), None)  # type: ignore[arg-type]


def test_what_is_shared_is_the_recipe() -> None:
    recipe = write_recipe("sweep", 1, plan=SeverityGrid(OWN, Axis("noise", (1, 2))))
    offered = share(recipe)
    assert Recipe.from_token(offered["token"]) == recipe
    compile(offered["code"], "recipe.py", "exec")
