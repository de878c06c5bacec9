"""The command line, ``python -m restoration COMMAND``; and the commands ``info`` and ``benchmark``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys

import torch

from restoration import InputError, Restorer, __version__
from restoration.cli.benchmark import benchmark
from restoration.cli.hub import add_hub_commands
from restoration.cli.photos import add_network, add_photo_commands, open_restorer
from restoration.hub import WeightsError, find_update, load_configured, load_weights
from restoration.restorer import select_device


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 done in part, 2 unusable input, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m restoration", description="Face restoration.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    info = commands.add_parser("info", help="print version, weights, configuration and devices")
    speed = commands.add_parser("benchmark", help="time the network beside Lanczos and non-local means")
    speed.add_argument("--size", type=int, default=512, help="side of the picture, pixels (%(default)s)")
    speed.add_argument("--rounds", type=int, default=7, help="timed rounds (%(default)s)")
    speed.add_argument("--threads", type=int, default=2, help="of the network (%(default)s)")
    add_network(speed)
    info.add_argument("--weights", help="a folder, owner/name[@revision] on the Hub, or an embedded set")
    info.set_defaults(run=_print_info)
    speed.set_defaults(run=_print_benchmark)
    add_hub_commands(commands)
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
        if error.filename is None:
            raise
        print(f"restoration: {error.filename}: {error.strerror}. Check the path and its permissions.", file=sys.stderr)
        return 2
    return status or 0


def _print_benchmark(options: argparse.Namespace) -> None:
    restorer = open_restorer(options)
    results = benchmark(restorer, size=options.size, rounds=options.rounds, threads=options.threads)
    facts = f"{options.device}, {restorer.info['precision']}, median of {options.rounds}"
    print(f"{options.size}x{options.size}, {options.threads} threads, {facts}\n")
    print("| method | seconds | fastest – slowest | time ÷ restoration's |\n|---|---|---|---|")
    for name, row in results.items():
        print(f"| {name} | {row['seconds']:.3f} | {row['fastest']:.3f} – {row['slowest']:.3f} | {row['ratio']:.2f} |")


def _print_info(options: argparse.Namespace) -> None:
    weights = load_weights(options.weights) if options.weights else load_configured()
    try:
        update = find_update(weights)
    except WeightsError as error:
        update = f"Not known: {error}"
    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        devices.append("mps")
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "devices": devices,
        "weights": Restorer(weights, select_device("cpu")).info,
        "update": update,
    }
    print(json.dumps(facts, indent=2))
