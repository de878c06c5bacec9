"""The controls hold what the page runs; a link fills them so that pressing the button gives the recipe again."""

import json
from dataclasses import fields
from itertools import product
from typing import Any

import numpy as np
import pytest
from tiny import EXAMPLES

from restoration import Degradation, InputError, read_image
from restoration.degrade import LIMITS, degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.images import Image
from restoration.lab.recipe import Axis, Recipe, picture_id
from restoration.page import site
from restoration.page.site import CURRENT, CURRENT_LABEL, CUSTOM, NOTHING, drawn, fill, from_controls, open_recipe

FACES = {name: str(EXAMPLES / f"{name}.png") for name in ("eileen_collins", "grace_hopper")}
FACE = read_image(FACES["grace_hopper"])
KNOWN = {picture_id(read_image(path)): name for name, path in FACES.items()}
MODEL = "0123456789ab"
OWN = Degradation(motion_length=11, blur_sigma=2, blur_sigma_y=0.5, blur_angle=-20, jpeg=33, grayscale=True)


def write_recipe(view: Any, seed: int, face: Image = FACE, **what: Any) -> Recipe:
    own = picture_id(face)
    return Recipe(view=view, face=KNOWN.get(own, ""), picture=own, seed=seed, model=MODEL, **what)


def reopened(view: Any, seed: int, **what: Any) -> site.Opened:
    return open_recipe(write_recipe(view, seed, **what).to_token(), FACES, MODEL)


def test_every_setting_has_a_control() -> None:
    assert sorted(site.ORDER) == sorted([field.name for field in fields(Degradation)] + ["isotropic"])
    assert set(fill("old_phone", 1)) == set(site.ORDER)
    assert fill(CUSTOM, None) == {}  # changes no control


@pytest.mark.parametrize("seed", [0, 1, 3])
@pytest.mark.parametrize("key", PRESETS)
def test_the_controls_hold_a_preset_to_the_nearest_step_within_their_bounds(key: str, seed: int) -> None:
    drawn, values = PRESETS[key].draw(seed), fill(key, seed)
    before = dict(values)
    shown = from_controls(values)
    assert values == before  # not modified
    for name, limit in LIMITS.items():
        steps = values[name] / limit.step
        assert (0 if name == "jpeg" else limit.low) <= values[name] <= limit.high, name
        assert steps == pytest.approx(round(steps)), name
        wanted, held = getattr(drawn, name), getattr(shown, name)
        assert (wanted is None) == (held is None), name
        assert wanted is None or abs(wanted - held) <= limit.step / 2 + 1e-9, name
    assert (drawn.kernel, drawn.grayscale) == (shown.kernel, shown.grayscale)


def test_a_slider_at_its_end_is_off() -> None:
    values = fill("old_phone", 0)
    assert from_controls({**values, "jpeg": 0}).jpeg is None
    assert from_controls({**values, "isotropic": True, "blur_sigma_y": 7}).blur_sigma_y is None
    assert from_controls({**values, "isotropic": False, "blur_sigma_y": 7}).blur_sigma_y == 7


def test_a_control_rests_exactly_where_it_changes_nothing() -> None:
    """What ``idle_controls`` says, checked on the degradation itself: a resting control's value makes no difference."""
    face = read_image(EXAMPLES / "eileen_collins.png")[128:256, 128:256]
    other = {"motion_angle": 70, "blur_sigma_y": 4, "blur_angle": 70, "kernel": "bicubic"}
    base = {**fill(next(iter(PRESETS)), 0), "noise": 0, "jpeg": 0, "motion_angle": 10, "blur_angle": 10}
    cases = (
        {"motion_length": 0, "blur_sigma": 0, "blur_sigma_y": 0, "isotropic": True, "downsample": 1},
        {"motion_length": 1, "blur_sigma": 2, "blur_sigma_y": 2, "isotropic": True, "downsample": 3},
        {"motion_length": 9, "blur_sigma": 2, "blur_sigma_y": 1, "isotropic": False, "downsample": 1},
        {"motion_length": 9, "blur_sigma": 0, "blur_sigma_y": 0, "isotropic": False, "downsample": 3},
    )
    for case in cases:
        values = {**base, **case, "kernel": "area"}
        result = degrade_image(face, from_controls(values))
        still = {
            name
            for name, value in other.items()
            if np.array_equal(result, degrade_image(face, from_controls({**values, name: value})))
        }
        assert site.idle_controls(values) == still, case


@pytest.mark.parametrize("seed", [0, 5])
def test_presets_and_own_settings_come_back(seed: int) -> None:
    knobs = reopened("test", seed, cases={CURRENT_LABEL: OWN}).knobs
    chosen = [*PRESETS, CURRENT]
    asked = site.cases_of(chosen, knobs, seed)
    assert list(asked)[-1] == CURRENT_LABEL
    assert asked[CURRENT_LABEL] == OWN
    recipe = write_recipe("compare", seed, cases=asked)
    assert recipe.face == "grace_hopper"
    opened = open_recipe(recipe.to_token(), FACES, MODEL)
    assert opened.recipe == recipe
    assert opened.chosen == chosen
    assert opened.notes == []
    assert site.cases_of(opened.chosen, opened.knobs, seed) == asked
    one = reopened("test", seed, cases={"Old phone": drawn("old_phone", seed)})
    assert (one.chosen, one.knobs["downsample"]) == (["old_phone"], 4)


@pytest.mark.parametrize("start", [NOTHING, "video_call", CURRENT])
def test_a_sweep_comes_back(start: str) -> None:
    knobs = reopened("test", 1, cases={CURRENT_LABEL: OWN}).knobs
    axes: Any = ("noise", 0, 25, 6), ("downsample", 1, 8, 4)
    asked = site.plan_of(site.degradation_of(start, knobs, 1), *axes)
    assert asked.x == Axis("noise", (0, 5, 10, 15, 20, 25))
    opened = reopened("sweep", 1, plan=asked)
    assert opened.chosen == [start]
    assert site.plan_of(site.degradation_of(start, opened.knobs, 1), *axes) == asked


def test_what_differs_is_said() -> None:
    own = FACE[::-1].copy()
    recipe = write_recipe("test", 1, own, cases={"Old phone": drawn("old_phone", 1)})
    assert recipe.face == ""
    notes = open_recipe(recipe.to_token(), FACES, "ba9876543210").notes
    assert len(notes) == 2
    assert "choose that picture" in notes[0]
    assert "other weights" in notes[1]


def test_what_the_page_cannot_hold_is_refused() -> None:
    two = write_recipe("compare", 1, cases={"a": OWN, "b": Degradation(noise=77)})
    with pytest.raises(InputError, match="several degradations of its own"):
        open_recipe(two.to_token(), FACES, MODEL)
    fields = json.loads(two.to_json())
    stranger = Recipe.from_json(json.dumps({**fields, "face": "../../etc/passwd"}))
    with pytest.raises(InputError, match="does not have"):
        open_recipe(stranger.to_token(), FACES, MODEL)
    for place, wrong in product(range(3), (None, float("nan"), 10**400)):
        numbers: list[Any] = [0, 10, 3]
        numbers[place] = wrong
        with pytest.raises(InputError, match="needs numbers"):
            site.plan_of(Degradation(), ("noise", numbers[0], numbers[1], numbers[2]), None)
