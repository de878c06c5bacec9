"""The command line of the Hub: ``python -m restoration pull``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from restoration.hub.checkpoint import WeightsError, read_weights
from restoration.hub.pull import HubModel, pull


def add_hub_commands(commands: Any) -> None:
    """Add the commands to a parser's ``add_subparsers()``; each leaves its function as ``run``."""
    fetch = commands.add_parser("pull", help="bring a model of the Hub into the cache, or up to date")
    fetch.add_argument("model", help="owner/name or owner/name@revision")
    fetch.set_defaults(run=_pull)


def _pull(options: argparse.Namespace) -> None:
    model = HubModel.parse(options.model)
    if model is None:
        raise WeightsError(f"{options.model!r} is not a model on the Hub: write owner/name or owner/name@revision.")
    folder = pull(model)
    weights = read_weights(folder, f"Hub: {model}")
    print(json.dumps({"name": weights.training["name"], "revision": folder.name, "folder": str(folder)}, indent=2))
