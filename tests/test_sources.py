"""Which weights a name means, what the configured one falls back to, and how newer ones are told of."""

import logging
import time
from pathlib import Path

import pytest
from hub_server import Hub, stalled, status
from tiny import REPO, Files, with_sums

from restoration import Restorer
from restoration.hub import (
    TRAINING,
    HubUnreachable,
    UpdateWatch,
    WeightsError,
    find_update,
    load_configured,
    load_weights,
)


def test_the_configured_model_is_loaded(
    hub: Hub, files: Files, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add(REPO, files)
    monkeypatch.delenv("RESTORATION_MODEL", raising=False)
    assert load_configured().source == "embedded: default"
    assert not hub.requests
    monkeypatch.setenv("RESTORATION_MODEL", str(tiny_weights))
    assert load_configured().source == str(tiny_weights)
    monkeypatch.setenv("RESTORATION_MODEL", f"{REPO}@{commit}")
    weights = load_configured()
    assert (weights.source, weights.commit, weights.notice) == (f"Hub: {REPO}@{commit}", commit, None)
    info = Restorer.from_pretrained(REPO, revision=commit).info
    assert (info["source"], info["revision"], info["notice"]) == (f"Hub: {REPO}@{commit}", commit, None)
    assert Restorer.from_pretrained().info["revision"] is None


def test_an_unreachable_hub_gives_embedded_weights_and_says_so(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.fail("GET /api", status(503))
    monkeypatch.setenv("RESTORATION_MODEL", REPO)
    with caplog.at_level(logging.WARNING):
        weights = load_configured()
    assert (weights.source, weights.commit) == ("embedded: default", None)
    assert weights.notice in caplog.text
    assert f"RESTORATION_MODEL names {REPO}" in weights.notice
    assert "could not be reached" in weights.notice
    with pytest.raises(HubUnreachable):  # a developer who asks for it by name gets no other one
        load_weights(REPO)


def test_a_wrong_or_damaged_configured_model_is_an_error(
    hub: Hub, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORATION_MODEL", REPO)
    with pytest.raises(WeightsError, match="no such model"):
        load_configured()
    hub.add(REPO, with_sums({**files, TRAINING: b"{}"}))
    with pytest.raises(WeightsError, match="lacks"):
        load_configured()
    for name in ("x" * 300, "/" + "x" * 300, "a\0b"):  # paths that cannot be
        with pytest.raises(WeightsError, match="no weights at"):
            load_weights(name)


def test_a_newer_commit_is_offered_with_the_way_to_take_it(hub: Hub, files: Files, newer: Files) -> None:
    first = hub.add(REPO, files)
    weights, pinned = load_weights(REPO), load_weights(f"{REPO}@{first}")
    assert find_update(weights) is None
    second = hub.add(REPO, newer)
    sentence = find_update(weights)
    assert sentence is not None
    assert f"in use is {first[:8]}. To take it, restart with RESTORATION_MODEL={REPO}@{second}, or after" in sentence
    assert f"pull {REPO}" in sentence
    assert load_weights(f"{REPO}@{second}").training["seed"] == 1  # the way works
    hub.requests.clear()
    assert find_update(pinned) is None
    assert find_update(load_weights()) is None
    assert not hub.requests
    hub.fail("GET /api", status(500))
    with pytest.raises(HubUnreachable):
        find_update(weights)


def test_the_watch_answers_at_once_and_asks_in_the_background(hub: Hub, files: Files, newer: Files) -> None:
    hub.add(REPO, files)
    weights = load_weights(REPO)
    hub.add(REPO, newer)
    hub.fail("GET /api", stalled(seconds=1), times=1)
    begun = time.monotonic()
    watch = UpdateWatch(weights, every=0.1)
    assert watch.sentence() == ""
    assert time.monotonic() - begun < 0.5
    while REPO not in watch.sentence() and time.monotonic() - begun < 10:
        time.sleep(0.02)
    hub.fail("GET /api", status(503))
    time.sleep(0.2)
    assert REPO in watch.sentence()  # a Hub that is gone does not take back what it said
