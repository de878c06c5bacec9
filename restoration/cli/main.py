"""The command line, ``python -m restoration COMMAND``; and its commands about this machine and the Hub."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from restoration import InputError, Restorer, __version__
from restoration.cli.photos import WEIGHTS_HELP, add_network, add_photo_commands, open_restorer
from restoration.degrade import Degradation, degrade_image
from restoration.faces import FACE_SIZE
from restoration.hub import HubModel, find_update, load_configured, pull
from restoration.hub.push import Card, publish_space, push_to_hub
from restoration.hub.staging import prepare, prepare_space
from restoration.images import Image
from restoration.images.pictures import disk_is_full
from restoration.measure import lanczos, non_local_means
from restoration.measure.identity import load_identity
from restoration.network import MAX_SIZE, MIN_SIZE
from restoration.network.checkpoint import WeightsError, read_weights
from restoration.restorer import select_device

STAGING = Path("runs") / "push"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 done in part, 2 unusable input, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m restoration", description="Face restoration.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_commands(commands)
    add_photo_commands(commands)
    options = parser.parse_args(arguments)
    try:
        status: int | None = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell says of a program that ended so
    except InputError as error:
        print(f"restoration: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # of a path that somebody gave: no right, too long, a loop of links
        full = disk_is_full(error)
        if error.filename is None and not full:
            raise
        advice = "Free some space, and repeat the command." if full else "Check the path and its permissions."
        print(f"restoration: {error.filename or 'writing'}: {error.strerror}. {advice}", file=sys.stderr)
        return 2
    return status or 0


def _add_commands(commands: Any) -> None:
    info = commands.add_parser("info", help="print version, weights, configuration and devices")
    info.add_argument("--weights", help=WEIGHTS_HELP)
    info.set_defaults(run=_info)
    speed = commands.add_parser("benchmark", help="time the network beside Lanczos and non-local means")
    speed.add_argument("--size", type=int, default=512, help="side of the picture, pixels (%(default)s)")
    speed.add_argument("--rounds", type=int, default=7, help="timed rounds (%(default)s)")
    speed.add_argument("--threads", type=int, default=2, help="of the network (%(default)s)")
    add_network(speed)
    speed.set_defaults(run=_benchmark)
    fetch = commands.add_parser("pull", help="bring a model of the Hub into the cache, or up to date")
    fetch.add_argument("model", help="owner/name or owner/name@revision")
    fetch.set_defaults(run=_pull)
    send = commands.add_parser("push", help="publish a run or a set of weights on the Hub")
    send.add_argument("folder", type=Path, help="of the run, or of the weights")
    add_push_options(send)
    send.set_defaults(run=_push)
    space = commands.add_parser("publish-space", help="bring a Space on the Hub up to date with this repository")
    space.add_argument("--public", action="store_true", help="a public Space, where it does not exist yet")
    space.add_argument("--model", help="owner/name[@revision] on the Hub that the app runs (the embedded weights)")
    space.set_defaults(run=_publish_space)
    for command in (send, space):
        command.add_argument("repo_id", metavar="owner/name", help="made, private, where it does not exist")
        dry = f"write the files to {STAGING}, list them, send nothing"
        command.add_argument("--dry-run", action="store_true", help=dry)


def add_push_options(parser: argparse.ArgumentParser) -> None:
    """Add what a push can be told beside folder and repository."""
    parser.add_argument("--public", action="store_true", help="a public repository")
    parser.add_argument("--tag", help="of this release (v1, or the number after the last)")
    card = "a README.md there that a person wrote or changed: refuse to push, keep it, or replace it (%(default)s)"
    parser.add_argument("--card", choices=get_args(Card), default="protect", help=card)


def _info(options: argparse.Namespace) -> None:
    weights = load_configured(options.weights)
    try:
        update = find_update(weights)
    except WeightsError as error:
        update = f"Not known: {error}"
    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    facts = {"version": __version__, "python": platform.python_version(), "devices": devices}
    print(json.dumps({**facts, "weights": Restorer(weights, select_device("cpu")).info, "update": update}, indent=2))


def _benchmark(options: argparse.Namespace) -> None:
    """Time one picture through each method, in turn, so that a drifting machine slows all of them alike.

    The first round is not counted. The ratio is the median over rounds of a method's time by the network's in the same.
    """
    size, rounds, threads = options.size, options.rounds, options.threads
    if not (MIN_SIZE <= size <= MAX_SIZE and rounds >= 1 and 1 <= threads <= 1024):
        span = f"a size from {MIN_SIZE} to {MAX_SIZE} pixels, at least one round, and 1 to 1024 threads"
        raise InputError(f"The benchmark takes {span}.")
    torch.set_num_threads(threads)  # OpenCV uses its own
    restorer, identity, values = open_restorer(options), load_identity(), np.random.default_rng(0)
    face: Image = values.integers(0, 256, (FACE_SIZE, FACE_SIZE, 3), np.uint8)
    picture: Image = values.integers(0, 256, (size, size, 3), np.uint8)
    picture = degrade_image(picture, Degradation(blur_sigma=4, noise=5), seed=0)
    methods: dict[str, Callable[[Image], object]] = {
        "restoration": restorer.restore_aligned,
        "Lanczos (÷4, ×4)": lambda image: lanczos(image, 4),
        "non-local means": non_local_means,
        f"identity of one face ({identity.name})": lambda _: identity.embed(face),
    }
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds + 1):
        for name, method in methods.items():
            begun = time.perf_counter()
            method(picture)
            times[name].append(time.perf_counter() - begun)
    facts = f"{options.device}, {restorer.info['precision']}, median of {rounds}"
    print(f"{size}x{size}, {threads} threads, {facts}\n")
    print("| method | seconds | fastest – slowest | time ÷ restoration's |\n|---|---|---|---|")
    for name, (_, *each) in times.items():
        ratio = statistics.median(a / b for a, b in zip(each, times["restoration"][1:], strict=True))
        print(f"| {name} | {statistics.median(each):.3f} | {min(each):.3f} – {max(each):.3f} | {ratio:.2f} |")


def _pull(options: argparse.Namespace) -> None:
    model = HubModel.parse(options.model)
    folder = pull(model)
    weights = read_weights(folder, f"Hub: {model}")
    print(json.dumps({"name": weights.training["name"], "revision": folder.name, "folder": str(folder)}, indent=2))


def _push(options: argparse.Namespace) -> None:
    public, repo_id = options.public, options.repo_id
    if options.dry_run:
        HubModel(repo_id, "main" if options.tag is None else options.tag)
        out = STAGING / repo_id.replace("/", "--")
        names = prepare(options.folder, out, repo_id)
        _list(out, names, f"A push to {repo_id} ({'public' if public else 'private'})")
    else:
        print(push_to_hub(options.folder, repo_id, public=public, tag=options.tag, card=options.card))


def _publish_space(options: argparse.Namespace) -> None:
    model = HubModel.parse(options.model) if options.model else None
    repo_id = HubModel(options.repo_id).repo_id
    if options.dry_run:
        out = STAGING / f"space--{repo_id.replace('/', '--')}"
        _list(out, prepare_space(out, model), f"Publishing the Space {repo_id}")
    else:
        print(publish_space(repo_id, model, public=options.public))


def _list(out: Path, names: list[str], what: str) -> None:
    print(f"Written to {out}. {what} would send in one commit:")
    for name in names:
        print(f"{(out / name).stat().st_size:>12,}  {name}")
