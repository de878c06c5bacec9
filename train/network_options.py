"""Options of a command line that describe a network."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from restoration.network.unet import UNetConfig

LISTS = ("widths", "encoder", "decoder")


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Options for what ``UNetConfig`` holds; what is not given is the stage's own."""
    add = parser.add_argument
    add("--unshuffle", type=int, help="side of the squares seen as one pixel")
    add("--widths", type=int, nargs="+", help="channels a level")
    add("--encoder", type=int, nargs="+", help="blocks a level down")
    add("--decoder", type=int, nargs="+", help="blocks a level up")


def take_network(options: dict[str, Any], default: UNetConfig) -> UNetConfig:
    """What was asked for, as the parsed options have it; else ``default``'s.

    Raises:
        InputError: values that ``UNetConfig`` refuses.
    """
    changes: dict[str, Any] = {}
    for name in ("unshuffle", *LISTS):
        value = options[name]
        if value is not None:
            changes[name] = tuple(value) if name in LISTS else value
    return dataclasses.replace(default, **changes)
