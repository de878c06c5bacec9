"""What the commands of this folder share: options out of a configuration, and errors as one line."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import json
import sys
from pathlib import Path
from typing import Any, Protocol

from restoration.images import InputError
from restoration.images.pictures import write_atomically


class Main(Protocol):
    """A command: its arguments (the process's own) to its exit status."""

    def __call__(self, arguments: list[str] | None = None) -> int: ...


def command(main: Main) -> Main:
    """A command whose user errors are one line on standard error: status 2, and 130 where it is interrupted."""
    name = Path(inspect.getfile(main)).name  # type: ignore[arg-type]

    @functools.wraps(main)
    def guarded(arguments: list[str] | None = None) -> int:
        try:
            return main(arguments)
        except InputError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(
                f"\n{name}: stopped. A training goes on from its last checkpoint by the same command.", file=sys.stderr
            )
            return 130

    return guarded


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help begins with a module's docstring as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_config(parser: argparse.ArgumentParser, kind: Any) -> None:
    """One option for each field of a dataclass; the fields' defaults are theirs."""
    for field in dataclasses.fields(kind):
        text = f"{field.name.replace('_', ' ')} (%(default)s)"
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default, help=text
        )


def take_config(options: argparse.Namespace, kind: Any) -> Any:
    """The dataclass that the options of ``add_config`` ask for."""
    return kind(**{field.name: getattr(options, field.name) for field in dataclasses.fields(kind)})


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, its folder made where it is not; a kill leaves the old file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, indent=1) + "\n")
