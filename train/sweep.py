"""Which settings train best?  Short runs of ``train/run.py`` that differ in some settings, and one table.

python train/sweep.py --out runs/sweep --vary learning-rate 5e-4 1e-3 2e-3 --vary block residual gated \
    -- --data FOLDER --validation FOLDER --steps 300

Every setting is varied alone, the others as given after ``--``; ``--grid`` takes every combination. ``--together
block=gated widths=64,128,256`` is one more run, in which several settings differ. A stopped sweep goes on where it was
when the command is repeated.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

if not __package__:  # python train/sweep.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from torch.utils.flop_counter import FlopCounterMode

from restoration.faces.alignment import FACE_SIZE
from restoration.hub import load_weights
from restoration.images import InputError
from train.loop import RESULT, TRAIN_LOG, VALIDATION_LOG
from train.run import main as run

Variant = dict[str, str]  # option of run.py to its value; several values of one option are separated by commas
TABLE = "sweep"


def variants(axes: Sequence[Sequence[str]], *, grid: bool) -> Iterator[Variant]:
    """The runs of a sweep.

    Args:
        axes: each an option of ``train/run.py`` without dashes, then its values, at least one.
        grid: every combination; otherwise first nothing changed, then one option at a time.

    Raises:
        InputError: an axis without values, or one that is named twice.
    """
    names = [axis[0] for axis in axes]
    if len(set(names)) < len(names) or any(len(axis) < 2 for axis in axes):
        raise InputError("Give each --vary another option and at least one value: --vary batch 8 16.")
    if grid:
        for combination in itertools.product(*(axis[1:] for axis in axes)):
            yield dict(zip(names, combination, strict=True))
        return
    yield {}
    for name, *values in axes:
        for value in values:
            yield {name: value}


def combined(texts: Sequence[str]) -> Variant:
    """One run in which several settings differ, out of ``option=value`` texts.

    Raises:
        InputError: a text of another form, or an option that is named twice.
    """
    pairs = [text.partition("=") for text in texts]
    variant = {name: value for name, _, value in pairs}
    if len(variant) < len(pairs) or not all(name and value for name, value in variant.items()):
        raise InputError("--together takes OPTION=VALUE, each option once: --together block=gated widths=64,128,256.")
    return variant


def label(variant: Variant) -> str:
    """Name of a run and of its folder."""
    return " ".join(f"{name}={value}" for name, value in variant.items()) or "as given"


def measure(folder: Path) -> dict[str, float | int]:
    """What a finished run reached, and at what price.

    Gains of its last validation in dB, parameters, 10^9 floating-point operations a 512x512 face, seconds of training a
    step.
    """
    validation, training = (_last(folder / name) for name in (VALIDATION_LOG, TRAIN_LOG))
    gains = {name: float(value) for name, value in validation.items() if name.endswith("_db")}
    steps, seconds = int(training["step"]), float(training["seconds"])
    model = load_weights(folder / RESULT).model
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, 3, FACE_SIZE, FACE_SIZE))
    price = {"parameters": model.parameter_count(), "gflop": round(counter.get_total_flops() / 1e9, 1)}
    return {"steps": steps, **gains, **price, "seconds_a_step": round(seconds / steps, 3)}


def _last(log: Path) -> dict[str, str]:
    with log.open() as file:
        return list(csv.DictReader(file))[-1]


def write_table(out: Path, rows: dict[str, dict[str, float | int]]) -> str:
    """Best blind gain first: ``sweep.csv``, ``sweep.md`` and ``sweep.json``; returns the Markdown."""
    best = sorted(rows.items(), key=lambda item: -item[1]["blind_gain_db"])
    names = list(best[0][1])
    lines = ["| run | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(_short(row[key]) for key in names) + " |" for name, row in best]
    text = "\n".join(lines) + "\n"
    (out / f"{TABLE}.md").write_text(text)
    (out / f"{TABLE}.json").write_text(json.dumps(dict(best), indent=2) + "\n")
    with (out / f"{TABLE}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["run", *names])
        writer.writerows([name, *row.values()] for name, row in best)
    return text


def _short(value: float) -> str:
    return f"{value}" if isinstance(value, int) else f"{value:.3g}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input or a run failed, 130 interrupted."""
    given = sys.argv[1:] if arguments is None else arguments
    split = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the sweep; a run is a folder in it")
    parser.add_argument(
        "--vary", nargs="+", action="append", default=[], metavar="OPTION VALUE", help="of train/run.py"
    )
    parser.add_argument(
        "--together", nargs="+", action="append", default=[], metavar="OPTION=VALUE", help="one run with all of these"
    )
    parser.add_argument("--grid", action="store_true", help="every combination, not one change at a time")
    options = parser.parse_args(given[:split])
    rows: dict[str, dict[str, float | int]] = {}
    failed: list[str] = []
    try:
        runs = [*variants(options.vary, grid=options.grid), *(combined(texts) for texts in options.together)]
        for variant in runs:
            folder = options.out / label(variant).replace(" ", "_").replace("/", "_")
            changed = [part for name, value in variant.items() for part in (f"--{name}", *value.split(","))]
            print(f"\n{label(variant)}", flush=True)
            status = run([*given[split + 1 :], *changed, "--out", str(folder)])
            if status == 130:
                return status
            if status:  # said by the run; the others may do better
                failed.append(label(variant))
                continue
            rows[label(variant)] = measure(folder)
            write_table(options.out, rows)
    except InputError as error:
        print(f"sweep.py: {error}", file=sys.stderr)
        return 2
    if rows:
        print("\n" + write_table(options.out, rows))
    for name in failed:
        print(f"sweep.py: the run {name!r} failed", file=sys.stderr)
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
