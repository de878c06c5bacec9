"""Which settings train best: short runs of ``train.run`` that differ in some settings, and one table.

    python -m train.sweep --out runs/sweep --vary learning-rate 5e-4 1e-3 2e-3 --vary lambda-id 0 0.02 0.1 \\
        -- --stage face --data FOLDER --validation FOLDER --steps 1000

Every setting is varied alone, the others as given after ``--``; ``--grid`` takes every combination. A stopped sweep
goes on where it was when the command is repeated.
"""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from restoration.images import InputError
from restoration.images.pictures import write_atomically
from restoration.network import parameter_count
from restoration.network.checkpoint import load_stage
from train.config import STAGES, command, new_parser
from train.loop import VALIDATION_LOG
from train.run import main as run
from train.stages import RESULT
from train.summary import table, write_csv

Variant = dict[str, str]  # option of run.py to its value; several values of one option are separated by commas
Row = dict[str, float]
TABLE = "sweep"


def variants(vary: Sequence[Sequence[str]], *, grid: bool) -> Iterator[Variant]:
    """The runs of a sweep: every combination in a ``grid``, else first nothing changed, then one option at a time.

    ``vary`` names options of ``train.run`` without dashes, each with its values. InputError: one without a value, or
    named twice.
    """
    names = [axis[0] for axis in vary]
    if len(set(names)) < len(names) or any(len(axis) < 2 for axis in vary):
        raise InputError("Give each --vary another option and at least one value: --vary batch 8 16.")
    if grid:
        yield from (dict(zip(names, values, strict=True)) for values in itertools.product(*(axis[1:] for axis in vary)))
    else:
        yield {}
        yield from ({name: value} for name, *values in vary for value in values)


def label(variant: Variant) -> str:
    """Name of a run and of its folder."""
    return " ".join(f"{name}={value}" for name, value in variant.items()) or "as given"


def measure(folder: Path) -> Row:
    """What a finished run reached, and at what price: its last validation, parameters, and seconds a step.

    Where both stages were trained, each name says of which.
    """
    result: Row = {}
    trained = [stage for stage in STAGES if (folder / stage / VALIDATION_LOG).exists()]
    for stage in trained:
        with (folder / stage / VALIDATION_LOG).open() as file:
            row: Row = {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}
        row["parameters"] = parameter_count(load_stage(folder / stage / RESULT))
        row["seconds_a_step"] = round(row.pop("seconds") / row["step"], 3)
        result |= {name if len(trained) == 1 else f"{stage} {name}": value for name, value in row.items()}
    return result


def write_table(out: Path, rows: dict[str, Row]) -> str:
    """A row a run, in their order: ``sweep.csv`` and ``sweep.md``; returns the Markdown."""
    names = list(next(iter(rows.values())))
    cells = [[name, *(f"{row[x]:{'.4g' if row[x] < 1000 else '.0f'}}" for x in names)] for name, row in rows.items()]
    text = "\n".join(table(["run", *names], *cells)) + "\n"
    write_atomically(out / f"{TABLE}.md", text)
    write_csv(out / f"{TABLE}.csv", ["run", *names], *([run_name, *row.values()] for run_name, row in rows.items()))
    return text


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input or a run failed, 130 or 143 stopped."""
    given = sys.argv[1:] if arguments is None else arguments
    split = given.index("--") if "--" in given else len(given)
    add = (parser := new_parser(__doc__)).add_argument
    add("--out", type=Path, required=True, help="folder of the sweep; a run is a folder in it")
    add("--vary", nargs="+", action="append", default=[], metavar="OPTION VALUE", help="of train.run")
    add("--grid", action="store_true", help="every combination, not one change at a time")
    options = parser.parse_args(given[:split])
    runs, rows, failed = dict[str, list[str]](), dict[str, Row](), list[str]()
    for variant in variants(options.vary, grid=options.grid):
        folder = options.out / label(variant).replace(" ", "_").replace("/", "_")
        changed = [part for name, value in variant.items() for part in (f"--{name}", *value.split(","))]
        runs[label(variant)] = [*given[split + 1 :], *changed, "--out", str(folder)]
    with redirect_stdout(None):  # their plans; what is wrong with one is told before the first begins
        if any(run([*one, "--dry-run"]) for one in runs.values()):
            return 2
    for name, one in runs.items():
        print(f"\n{name}", flush=True)
        status = run(one)
        if status > 128:
            return status
        if status:  # said by the run; the others may do better
            failed.append(name)
            continue
        rows[name] = measure(Path(one[-1]))
        write_table(options.out, rows)
    if rows:
        print("\n" + write_table(options.out, rows))
    for name in failed:
        print(f"sweep.py: the run {name!r} failed", file=sys.stderr)
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
