"""What is newer on the Hub is said, and never waited for."""

import time

import pytest
from hub_server import Hub, stalled, status
from tiny import REPO, Files

from restoration.hub import HubUnreachable, UpdateWatch, find_update, load_weights


def test_a_newer_commit_is_offered_with_the_way_to_take_it(
    hub: Hub, files: Files, newer: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hub.add(REPO, files)
    weights, pinned = load_weights(REPO), load_weights(f"{REPO}@{first}")
    assert find_update(weights) is None
    second = hub.add(REPO, newer)
    sentence = find_update(weights)
    assert sentence
    assert f"RESTORATION_MODEL={REPO}@{second}" in sentence
    assert f"pull {REPO}" in sentence
    assert first[:8] in sentence
    assert load_weights(f"{REPO}@{second}").training["seed"] == 1  # the way works
    hub.requests.clear()
    assert find_update(pinned) is None
    assert find_update(load_weights()) is None
    assert not hub.requests
    hub.fail("GET /api", status(500))
    with pytest.raises(HubUnreachable):
        find_update(weights)


def wait_for(watch: UpdateWatch) -> str:
    deadline = time.monotonic() + 10
    while not watch.sentence() and time.monotonic() < deadline:
        time.sleep(0.02)
    return watch.sentence()


def test_the_watch_answers_at_once_and_asks_in_the_background(hub: Hub, files: Files, newer: Files) -> None:
    hub.add(REPO, files)
    weights = load_weights(REPO)
    hub.add(REPO, newer)
    hub.fail("GET /api", stalled(seconds=1), times=1)
    begun = time.monotonic()
    watch = UpdateWatch(weights, every=0.1)
    assert watch.sentence() == ""
    assert time.monotonic() - begun < 0.5
    assert REPO in wait_for(watch)
    hub.fail("GET /api", status(503))
    time.sleep(0.2)
    assert REPO in watch.sentence()  # a Hub that is gone does not take back what it said


def test_the_watch_asks_once_an_hour(hub: Hub, files: Files, newer: Files) -> None:
    hub.add(REPO, files)
    weights = load_weights(REPO)
    hub.add(REPO, newer)
    hub.requests.clear()
    watch = UpdateWatch(weights)
    assert wait_for(watch)
    for _ in range(20):
        watch.sentence()
    assert len(hub.requests) == 1
