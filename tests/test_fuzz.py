"""A small share of what ``fuzz.py`` and Hypothesis think of: every input gets an answer or a sentence."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restoration import Degradation
from restoration.hub import HubModel
from restoration.images import InputError
from restoration.lab.recipe import Recipe
from restoration.page.endpoints import named_settings, read_json

CASES = 120
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)
FIELDS = st.dictionaries(st.sampled_from([*Degradation.__dataclass_fields__, "other"]), JSON, max_size=4)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, fuzz.Target]:
    return fuzz.targets(tmp_path_factory.mktemp("targets"))


def test_mutated_files_and_texts(targets: dict[str, fuzz.Target]) -> None:
    ends = {number: fuzz.one_case(number, targets) for number in range(CASES)}
    assert {number: end for number, end in ends.items() if end[1] not in ("answer", "sentence")} == {}
    assert {end for _, end in ends.values()} == {"answer", "sentence"}
    assert {name for name, _ in ends.values()} == set(targets)


def test_an_untouched_input_is_an_answer(targets: dict[str, fuzz.Target]) -> None:
    for target in targets.values():
        for seed in target.seeds[:1]:
            with tempfile.TemporaryDirectory() as folder:
                target.read(seed, Path(folder))


def answered(read: Callable[[Any], object], value: Any) -> None:
    told = "an answer"
    try:
        read(value)
    except InputError as error:
        told = str(error)
    assert told.strip()


@settings(max_examples=60, deadline=None)
@given(st.text(), JSON | FIELDS)
@example("9" * 5000, None)
@example("[" * 100_000, None)
def test_any_text_and_any_settings(text: str, value: Any) -> None:
    for read in (Recipe.from_token, Recipe.from_json, HubModel.parse, read_json):
        answered(read, text)
    answered(lambda given: named_settings(given, 0), value)
