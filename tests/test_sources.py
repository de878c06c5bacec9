"""Which weights a name means, and what the configured one falls back to."""

import logging
from pathlib import Path

import pytest
from hub_server import Hub, status
from tiny import REPO, Files, with_sums

from restoration import Restorer
from restoration.hub import TRAINING, HubUnreachable, WeightsError, load_configured, load_weights


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


def test_an_unreachable_hub_gives_embedded_weights_and_says_so(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.fail("GET /api", status(503))
    monkeypatch.setenv("RESTORATION_MODEL", REPO)
    with caplog.at_level(logging.WARNING):
        weights = load_configured()
    assert (weights.source, weights.commit) == ("embedded: default", None)
    assert weights.notice
    assert REPO in weights.notice
    assert "could not be reached" in weights.notice
    assert weights.notice in caplog.text
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


def test_a_path_that_cannot_be_is_an_error_that_names_it() -> None:
    for name in ("x" * 300, "/" + "x" * 300):
        with pytest.raises(WeightsError, match=r"xxx cannot be read \(File name too long\)"):
            load_weights(name)


def test_the_restorer_tells_source_and_revision(hub: Hub, files: Files) -> None:
    commit = hub.add(REPO, files)
    info = Restorer.from_pretrained(REPO, revision=commit).info
    assert (info["source"], info["revision"], info["notice"]) == (f"Hub: {REPO}@{commit}", commit, None)
    assert Restorer.from_pretrained().info["revision"] is None
