"""Which network does a command line ask for?"""

from __future__ import annotations

import argparse
from typing import Any

from restoration.network.unet import BLOCKS, UNetConfig


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Options for everything that ``UNetConfig`` holds; its defaults are theirs."""
    default, add = UNetConfig(), parser.add_argument
    add("--unshuffle", type=int, default=default.unshuffle, help="side of the squares seen as one pixel (%(default)s)")
    add("--block", choices=BLOCKS, default=default.block, help="kind of block (%(default)s)")
    add("--widths", type=int, nargs="+", default=default.widths, help="channels a level (%(default)s)")
    add("--encoder", type=int, nargs="+", default=default.encoder, help="blocks a level down (%(default)s)")
    add("--decoder", type=int, nargs="+", default=default.decoder, help="blocks a level up (%(default)s)")


def take_network(options: dict[str, Any]) -> UNetConfig:
    """What was asked for, taken out of the parsed options.

    Raises:
        InputError: values that ``UNetConfig`` refuses.
    """
    lists = {name: tuple(options.pop(name)) for name in ("widths", "encoder", "decoder")}
    return UNetConfig(unshuffle=options.pop("unshuffle"), block=options.pop("block"), **lists)
