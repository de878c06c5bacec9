"""The commands of the Hub: ``pull``, ``push`` and ``publish-space``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from restoration.hub.pull import HubModel, pull
from restoration.hub.push import Card, check_tag, publish_space, push_to_hub
from restoration.hub.staging import prepare, prepare_space
from restoration.network.checkpoint import WeightsError, read_weights

STAGING = Path("runs") / "push"


def add_hub_commands(commands: Any) -> None:
    """Add the commands to a parser's ``add_subparsers()``; each leaves its function as ``run``."""
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


def _push(options: argparse.Namespace) -> None:
    if not options.dry_run:
        public, tag, card = options.public, options.tag, options.card
        print(push_to_hub(options.folder, options.repo_id, public=public, tag=tag, card=card))
        return
    check_tag(options.tag)
    out = STAGING / HubModel.repository(options.repo_id).repo_id.replace("/", "--")
    names = prepare(options.folder, out, options.repo_id)
    _list(out, names, f"A push to {options.repo_id} ({'public' if options.public else 'private'})")


def _publish_space(options: argparse.Namespace) -> None:
    model = _model(options.model) if options.model else None
    name = HubModel.repository(options.repo_id).repo_id.replace("/", "--")
    if not options.dry_run:
        print(publish_space(options.repo_id, model, public=options.public))
        return
    out = STAGING / f"space--{name}"
    _list(out, prepare_space(out, model), f"Publishing the Space {options.repo_id}")


def _list(out: Path, names: list[str], what: str) -> None:
    print(f"Written to {out}. {what} would send in one commit:")
    for name in names:
        print(f"{(out / name).stat().st_size:>12,}  {name}")


def _model(text: str) -> HubModel:
    model = HubModel.parse(text)
    if model is None:
        raise WeightsError(f"{text!r} is not a model on the Hub: write owner/name or owner/name@revision.")
    return model


def _pull(options: argparse.Namespace) -> None:
    model = _model(options.model)
    folder = pull(model)
    weights = read_weights(folder, f"Hub: {model}")
    print(json.dumps({"name": weights.training["name"], "revision": folder.name, "folder": str(folder)}, indent=2))
