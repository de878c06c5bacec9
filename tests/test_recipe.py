"""A recipe survives the way through a link, and nothing else gets in; seeds and grids are checked."""

import base64
import json
import math
import string
import zlib

import numpy as np
import pytest
from tiny import EXAMPLES

from restoration import Degradation, InputError, read_image
from restoration.degrade.protocols import PRESETS
from restoration.lab.recipe import AXES, MAX_POINTS, MAX_SEED, Axis, Recipe, SeverityGrid, make_seed, picture_id

FACE = read_image(EXAMPLES / "eileen_collins.png")
COMMON = {"face": "eileen_collins", "picture": picture_id(FACE), "seed": 7, "model": "0123456789ab"}
NOISE, LENGTH = Axis.spaced("noise", 0, 40, 8), Axis.spaced("motion_length", 0, 30, 6)
RECIPES = {
    "test": Recipe(view="test", cases={"Old phone": PRESETS["old_phone"].draw(0)}, **COMMON),
    "compare": Recipe(view="compare", cases={p.label: p.draw(7) for p in PRESETS.values()}, **COMMON),
    "map": Recipe(view="sweep", plan=SeverityGrid(Degradation(jpeg=70), NOISE, LENGTH), **COMMON),
    "curve": Recipe(view="sweep", plan=SeverityGrid(Degradation(), NOISE), **{**COMMON, "face": ""}),
}


def token_of(text: str) -> str:
    return base64.urlsafe_b64encode(zlib.compress(text.encode())).decode().rstrip("=")


def changed(name: str, **fields: object) -> str:
    return json.dumps({**json.loads(RECIPES[name].to_json()), **fields})


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_json_and_link(name: str) -> None:
    recipe = RECIPES[name]
    assert Recipe.from_json(recipe.to_json()) == recipe
    token = recipe.to_token()
    assert Recipe.from_token(token) == recipe
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")  # nothing that a link would escape
    fields = {"version", "view", "face", "picture", "seed", "model", "cases", "base", "axes"}  # and no picture
    assert set(json.loads(recipe.to_json())) <= fields
    assert len(recipe.picture) == 12


BROKEN = {
    "nothing": "",
    "cut short": RECIPES["map"].to_token()[:-8],
    "an unknown field": token_of(changed("test", x=1)),
    "no cases": token_of(changed("test", cases={})),
    "another view": token_of(changed("test", view="admin")),
    "three axes": token_of(changed("map", axes={name: [1, 2] for name in ("noise", "jpeg", "x")})),
    "a bomb": token_of("[" * 1_000_000),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_link_is_refused_in_words(name: str) -> None:
    with pytest.raises(InputError, match=r"recipe is damaged|Sweep one of"):
        Recipe.from_token(BROKEN[name])


def test_values_are_checked_as_everywhere() -> None:
    for change, message in (
        ({"seed": -1}, "seed"),
        ({"cases": {"x": {"noise": 1e9}}}, "noise"),
        ({"cases": {"x": {"hair": 1}}}, "hair"),
        ({"version": 2}, "another version"),
    ):
        with pytest.raises(InputError, match=message):
            Recipe.from_json(changed("test", **change))


def test_another_picture_or_other_weights_are_noticed() -> None:
    recipe = RECIPES["test"]
    assert recipe.check(FACE, "0123456789ab") == []
    other = FACE.copy()
    other[100, 100, 0] ^= 1
    assert len(recipe.check(other, "0123456789ab")) == 1
    assert "other weights" in recipe.check(FACE, "ba9876543210")[0]
    assert picture_id(np.ascontiguousarray(FACE[:256])) != picture_id(np.ascontiguousarray(FACE[:, :256]))


def test_seeds_are_whole_numbers() -> None:
    assert (make_seed(0), make_seed(3.0), make_seed(MAX_SEED)) == (0, 3, MAX_SEED)
    assert type(make_seed(3.0)) is int
    for bad in (None, math.nan, math.inf, -1, 0.5, MAX_SEED + 1, "3"):
        with pytest.raises(InputError, match=f"whole number from 0 to {MAX_SEED}"):
            make_seed(bad)


def test_a_swept_blur_is_round() -> None:
    plan = SeverityGrid(Degradation(blur_sigma=2, blur_sigma_y=5), Axis("blur_sigma", (0, 1)))
    assert plan.settings(0).is_identity


@pytest.mark.parametrize("name", AXES)
def test_equal_steps_lie_on_the_settings_own(name: str) -> None:
    low, high = (10, 95) if name == "jpeg" else (1, 19)
    axis = Axis.spaced(name, low, high, 5)
    assert (axis.values[0], axis.values[-1]) == (low, high)
    assert np.ptp(np.diff(axis.values)) <= 1
    SeverityGrid(Degradation(), axis).settings(4)  # Degradation takes it


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Axis("kernel", (0, 1)), "Sweep one of"),
    (lambda: Axis("noise", (5,)), "2 steps"),
    (lambda: Axis.spaced("noise", 5, 5, 3), "lowest value below"),
    (lambda: Axis.spaced("jpeg", 50, 53, 9), "lowest value below"),
    (lambda: Axis("noise", (0, 101)), "from 0 to 100"),
    (lambda: SeverityGrid(Degradation(), NOISE, NOISE), "two different"),
    (lambda: SeverityGrid(Degradation(), Axis.spaced("noise", 0, 80, MAX_POINTS + 1)), "fewer steps"),
])  # fmt: skip
def test_a_plan_that_cannot_be_run_is_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        make()
