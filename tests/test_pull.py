"""Weights from the Hub, by the real client: what is fetched, what is refused, how long anything may take, and what a
configured name falls back to."""

import hashlib
import multiprocessing
import socket
import threading
import time
from pathlib import Path

import huggingface_hub.constants
import pytest
from hub_server import READER, Hub, stalled, status, truncated
from tiny import REPO, Files, with_sums

from restoration import Restorer
from restoration import hub as hub_room
from restoration.hub import CHECKSUMS, FILES, HubModel, HubUnreachable, UpdateWatch, find_update, load_configured, pull
from restoration.hub import load_weights as load
from restoration.network.checkpoint import CONFIG, GOLDEN, TRAINING, WEIGHTS, WeightsError

FORK = multiprocessing.get_context("fork")  # a new interpreter takes seconds to import torch


def cache() -> Path:
    return Path(huggingface_hub.constants.HF_HUB_CACHE)


def test_a_pull_brings_the_same_bytes_and_names_the_commit(hub: Hub, files: Files) -> None:
    commit = hub.add(REPO, {**files, "README.md": b"hello", "extra.bin": bytes(100)})
    weights = load(REPO)
    assert (weights.source, weights.hub_model, weights.commit) == (f"Hub: {REPO}", REPO, commit)
    folder = pull(HubModel(REPO))
    assert folder.name == commit
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files  # and nothing else
    assert not hub.asked("README|extra")
    assert not hub.tokens_elsewhere


def test_the_cache_is_used_without_a_connection(hub: Hub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = hub.add(REPO, files)
    with monkeypatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE"):
            load(REPO)
    load(REPO)
    hub.requests.clear()
    assert load(REPO).commit == commit
    assert load(REPO, revision=commit).commit == commit
    assert not hub.requests
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert load(REPO).commit == commit


def test_a_local_folder_comes_before_the_hub(hub: Hub, files: Files, newer: Files, tmp_path: Path, monkeypatch) -> None:
    hub.add(REPO, files)
    monkeypatch.chdir(tmp_path)
    (tmp_path / REPO).mkdir(parents=True)
    for name, data in newer.items():
        (tmp_path / REPO / name).write_bytes(data)
    assert load(REPO).training["seed"] == 1
    assert not hub.requests
    with pytest.raises(WeightsError, match="revisions"):
        load(REPO, revision="v1")


def test_a_pinned_revision_stays_when_main_moves_on(hub: Hub, files: Files, newer: Files) -> None:
    first = hub.add(REPO, files)
    hub.model(REPO).tags["v1"] = first
    assert load(REPO).commit == first
    second = hub.add(REPO, newer)
    for pinned in (f"{REPO}@{first}", f"{REPO}@v1"):
        weights = load(pinned)
        assert (weights.commit, weights.training["seed"]) == (first, 0)
    assert load(REPO, revision=second).training["seed"] == 1
    assert load(REPO).commit == first  # what was in use is not swapped
    assert pull(HubModel(REPO)).name == second  # on request alone
    assert load(REPO).training["seed"] == 1
    assert load(f"{REPO}@v1").training["seed"] == 0
    with pytest.raises(WeightsError, match="no weights at"):
        load(f"{REPO}@v1", revision="v2")


def test_private_models_need_a_token_which_stays_with_the_hub(hub: Hub, files: Files, monkeypatch) -> None:
    hub.add(REPO, files, private=True)
    with pytest.raises(WeightsError, match="HF_TOKEN") as caught:
        load(REPO)
    assert not isinstance(caught.value, HubUnreachable)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(WeightsError, match="token") as caught:
        load(REPO)
    assert "hf_wrong" not in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", READER)
    load(REPO)
    assert not hub.tokens_elsewhere  # the storage host never saw it


def test_what_is_not_there_is_named(hub: Hub, files: Files) -> None:
    hub.add(REPO, files)
    for name, message in (("someone/nothing", "RepositoryNotFound"), (f"{REPO}@v9", "v9.*RevisionNotFound")):
        with pytest.raises(WeightsError, match=message):
            load(name)
    hub.fail(r"GET /api/models", status(403))
    with pytest.raises(WeightsError, match=r"status 403.*token"):
        load(REPO)


def test_a_pickle_is_never_fetched(hub: Hub, files: Files) -> None:
    pickled = b"\x80\x04N."
    hub.add(REPO, {CONFIG: files[CONFIG], "pytorch_model.bin": pickled, "model.pt": pickled})
    with pytest.raises(WeightsError, match="Pickles are never opened"):
        load(REPO)
    assert not hub.asked("pytorch_model|model.pt")


def test_names_that_climb_out_of_the_cache_are_refused(hub: Hub, files: Files, tmp_path: Path) -> None:
    hub.add(REPO, {**files, "../../../evil.txt": b"evil", "/evil.txt": b"evil"})
    load(REPO)
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]
    assert not hub.asked("evil")
    for wrong in ("../../evil", "a/../../evil", "/etc/passwd", "-x", "", "a b", "a\n"):
        with pytest.raises(WeightsError):
            load(f"{REPO}@{wrong}")
        with pytest.raises(WeightsError, match="not a revision"):
            HubModel(REPO, wrong)
    for no_model in ("../evil", "someone/../evil", "a/b/c", "/evil", "./a/b", "someone/", "a--b/c"):
        with pytest.raises(WeightsError, match="not a name on the Hub"):
            HubModel.parse(no_model)
        with pytest.raises(WeightsError, match="no weights"):
            load(no_model)


@pytest.mark.parametrize("name", [WEIGHTS, GOLDEN])
def test_what_is_too_large_is_refused_before_a_byte_of_it(hub: Hub, files: Files, monkeypatch, name: str) -> None:
    hub.add(REPO, files)
    assert FILES[name] <= 500_000_000
    monkeypatch.setitem(FILES, name, len(files[name]) - 1)
    with pytest.raises(WeightsError, match=f"{name} .*more than the .* bytes"):
        load(REPO)
    assert not hub.asked("resolve|storage")


def test_a_truncated_download_is_never_loaded(hub: Hub, files: Files) -> None:
    hub.add(REPO, files)
    storage = "GET /storage/" + hashlib.sha256(files[WEIGHTS]).hexdigest()
    hub.fail(storage, truncated(1000), times=1)
    hub.fail(storage, status(404))  # the client tries to go on
    with pytest.raises(WeightsError, match="status 404"):
        load(REPO)
    hub.faults.clear()
    hub.requests.clear()
    hub.fail(storage, truncated(1000), times=1)
    assert load(REPO).training["seed"] == 0  # what breaks off once goes on where it stopped
    assert len(hub.asked(storage)) == 2
    assert not list(cache().rglob("*.incomplete"))


def test_wrong_checksums_are_refused_and_a_damaged_cache_is_mended(hub: Hub, files: Files, newer: Files) -> None:
    hub.add(REPO, {**files, GOLDEN: newer[GOLDEN]})  # the list of checksums is another's
    with pytest.raises(WeightsError, match=f"checksum of .*{GOLDEN}"):
        load(REPO)
    hub.add(REPO, {**files, CHECKSUMS: b"nonsense\n"})
    with pytest.raises(WeightsError, match="not a list of checksums"):
        load(REPO)
    commit = hub.add(REPO, files)
    assert load(REPO).commit == commit
    blob = (pull(HubModel(REPO)) / WEIGHTS).resolve()
    blob.write_bytes(blob.read_bytes()[:-8] + bytes(8))
    assert load(REPO).commit == commit
    assert blob.read_bytes() == files[WEIGHTS]


def test_a_hub_in_trouble_is_unreachable_and_a_passing_fault_costs_a_retry_alone(hub: Hub, files: Files) -> None:
    hub.add(REPO, files)

    def login(handler) -> None:  # type: ignore[no-untyped-def]
        handler.send(200, b"<html>Please log in to this hotel's network</html>")

    for act, message in ((status(429), "429"), (status(503), "503"), (login, "could not be reached")):
        hub.faults.clear()
        hub.fail("GET /api", act)
        with pytest.raises(HubUnreachable, match=message):
            load(REPO)
    hub.faults.clear()
    hub.fail("HEAD /.*model.safetensors", status(503), times=1)
    hub.fail("GET /storage", status(429), times=1)
    load(REPO)


def test_silence_is_given_up_in_a_few_seconds(hub: Hub, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(REPO, files)
    hub.fail("GET /api", stalled())
    assert hub_room.ANSWER <= 4
    monkeypatch.setattr(hub_room, "ANSWER", 1)
    begun = time.monotonic()
    with pytest.raises(HubUnreachable, match="Try again"):
        load(REPO)
    assert time.monotonic() - begun < 3
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    begun = time.monotonic()
    with pytest.raises(HubUnreachable, match="could not be reached"):  # nobody is there
        load(REPO)
    assert time.monotonic() - begun < 3  # the client alone retries for 23 s


def test_four_processes_at_once_leave_one_good_copy(hub: Hub, files: Files) -> None:
    commit = hub.add(REPO, files)
    runs = [FORK.Process(target=pull, args=(HubModel(REPO),)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * 4
    folder = cache() / f"models--{REPO.replace('/', '--')}"
    assert {path.name: path.read_bytes() for path in (folder / "snapshots" / commit).iterdir()} == files
    assert len(list((folder / "blobs").iterdir())) == len(files)
    assert (folder / "refs" / "main").read_text() == commit
    assert {path.name for path in folder.iterdir()} <= {"blobs", "refs", "snapshots"}


def test_a_kill_or_a_full_disk_in_the_middle_leaves_the_old_weights_in_use(
    hub: Hub, files: Files, newer: Files, full_disk
) -> None:
    old = hub.add(REPO, files)
    load(REPO)
    hub.add(REPO, newer)
    begun = threading.Event()
    hub.fail("GET /storage/" + hashlib.sha256(newer[WEIGHTS]).hexdigest(), stalled(begun, 5), times=1)
    process = FORK.Process(target=pull, args=(HubModel(REPO),))
    process.start()
    assert begun.wait(200)
    process.kill()
    process.join()
    hub.requests.clear()
    assert load(REPO).commit == old
    assert not hub.requests
    full_disk(len(newer[WEIGHTS]) // 2)
    with pytest.raises(WeightsError, match=r"The disk is full: .* Free some space"):
        pull(HubModel(REPO))
    full_disk(-1)
    assert load(REPO).commit == old
    assert pull(HubModel(REPO)).name != old


def test_the_configured_model_is_loaded_or_an_error(hub: Hub, files: Files, tiny_weights: Path, monkeypatch) -> None:
    commit = hub.add(REPO, files)
    monkeypatch.delenv("RESTORATION_MODEL", raising=False)
    assert load_configured().source == "embedded: default"
    assert not hub.requests
    monkeypatch.setenv("RESTORATION_MODEL", str(tiny_weights))
    assert load_configured().source == str(tiny_weights)
    monkeypatch.setenv("RESTORATION_MODEL", f"{REPO}@{commit}")
    assert (load_configured().commit, load_configured().notice) == (commit, None)
    info = Restorer.from_pretrained(REPO, revision=commit).info
    assert (info["source"], info["revision"], info["notice"]) == (f"Hub: {REPO}@{commit}", commit, None)
    assert Restorer.from_pretrained().info["revision"] is None
    hub.add("someone/damaged", with_sums({**files, TRAINING: b"{}"}))
    for name, message in (("someone/nothing", "refuses"), ("someone/damaged", "must hold")):
        monkeypatch.setenv("RESTORATION_MODEL", name)
        with pytest.raises(WeightsError, match=message):
            load_configured()


def test_a_newer_commit_is_offered_and_asked_for_now_and_then(hub: Hub, files: Files, newer: Files) -> None:
    first = hub.add(REPO, files)
    weights, pinned = load(REPO), load(f"{REPO}@{first}")
    assert find_update(weights) is None
    second = hub.add(REPO, newer)
    sentence = find_update(weights)
    assert sentence is not None
    assert f"in use is {first[:8]}. To take it, restart with RESTORATION_MODEL={REPO}@{second}, or after" in sentence
    assert f"pull {REPO}" in sentence
    assert load(f"{REPO}@{second}").training["seed"] == 1  # the way works
    hub.requests.clear()
    assert find_update(pinned) is None
    assert find_update(load()) is None
    assert not hub.requests
    for every, asked in ((3600, 1), (0, 3)):
        hub.requests.clear()
        watch = UpdateWatch(weights, every=every)
        assert all(watch.sentence() == sentence for _ in range(3))
        assert len(hub.requests) == asked
    hub.fail("GET /api", status(503))
    with pytest.raises(HubUnreachable):
        find_update(weights)
    assert watch.sentence() == sentence  # a Hub that is gone does not take back what it said
