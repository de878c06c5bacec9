"""How well does a recogniser agree with the one that it learned from?  Mean cosine between their embeddings.

    python train/extras/agreement.py --teacher FILE --faces val=FOLDER lfw@64=FOLDER --align lfw --out agreement.json

``--faces`` and ``--align`` are those of ``train/evaluate.py``. ``--held-out``, for folders that
``train/extras/identity.py`` learned from, leaves of every set those people alone that it did not see.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from restoration.images import InputError
from restoration.measure.identity import IdentityNetwork, identity_crop, load_identity
from restoration.measure.recogniser import embed
from train.evaluate import read_set
from train.extras.identity import IdentityConfig, is_held_out, read_crops
from train.summary import summary

BATCH = 32
Batches = Iterator[tuple[Tensor, list[str]]]


def crops_of_faces(text: str, align: list[str], limit: int | None) -> tuple[str, Batches]:
    """The set's name, and (B, 3, 112, 112) crops in [0, 1] of its faces with the name of each; as ``read_set``."""
    name, _, faces = read_set(text, align, limit)

    def batches() -> Batches:
        for part in _parts(len(faces)):
            yield identity_crop(faces.clean(part)), [faces.names[index] for index in part]

    return name, batches()


def crops_of_folder(text: str, limit: int | None) -> tuple[str, Batches]:
    """The same of NAME=FOLDER of 112x112 crops on ArcFace's template."""
    name, _, folder = text.partition("=")
    if not name or not folder:
        raise InputError("--crops takes NAME=FOLDER, for example lfw=/data/crops/lfw.")
    crops, names = read_crops([folder], [], limit=limit)

    def batches() -> Batches:
        for part in _parts(len(crops)):
            yield crops[part].float() / 255, [names[index] for index in part]

    return name, batches()


def _parts(count: int) -> list[list[int]]:
    return [list(range(start, min(start + BATCH, count))) for start in range(0, count, BATCH)]


@torch.inference_mode()
def cosines(student: IdentityNetwork, teacher: IdentityNetwork, crops: Tensor) -> list[float]:
    """Cosine between both networks' embeddings of each of (B, 3, 112, 112) crops in [0, 1].

    Raises:
        InputError: embeddings of different lengths: one cannot have learned from the other.
    """
    one, other = (embed(network.network, crops) for network in (student, teacher))
    if one.shape != other.shape:
        raise InputError(
            f"{student.name} gives {one.shape[1]} numbers a face and {teacher.name} {other.shape[1]}: "
            "only a recogniser that learned from the other one can agree with it."
        )
    result: list[float] = (one * other).sum(dim=1).tolist()
    return result


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--teacher", required=True, metavar="FILE", help="the network that was learned from, as --identity")
    add(
        "--identity",
        help="the network that learned, as load_identity takes it (its default)",
    )
    add("--faces", nargs="+", default=[], metavar="NAME=FOLDER", help="sets of aligned 512x512 faces")
    add("--align", nargs="+", default=[], metavar="NAME", help="of these the sets that are photos, aligned first")
    add("--crops", nargs="+", default=[], metavar="NAME=FOLDER", help="sets of 112x112 crops on ArcFace's template")
    add("--held-out", action="store_true", help="only people that train/extras/identity.py does not learn from")
    add("--limit", type=int, help="at most so many pictures a set, spread evenly")
    add("--out", type=Path, help="JSON file for the results")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    options = parser().parse_args(arguments)
    every = IdentityConfig().held_out
    results = []
    try:
        if not options.faces and not options.crops:
            raise InputError("Give --faces, --crops or both to measure on.")
        student, teacher = load_identity(options.identity), load_identity(options.teacher)
        sets = [crops_of_faces(text, options.align, options.limit) for text in options.faces]
        sets += [crops_of_folder(text, options.limit) for text in options.crops]
        print("| set | pictures | mean cosine |\n|---|---|---|")
        for name, batches in sets:
            values: list[float] = []
            for crops, names in batches:
                kept = [not options.held_out or is_held_out(each, every) for each in names]
                if any(kept):
                    values += cosines(student, teacher, crops[torch.tensor(kept)])
            if not values:
                raise InputError(f"{name} has nobody that was held out. Leave out --held-out, or measure another set.")
            rounded = {key: round(value, 5) for key, value in summary(values).items()}
            results.append({"set": name, "pictures": len(values), **rounded})
            print(f"| {name} | {len(values)} | {results[-1]['mean']:.4f} ± {results[-1]['ci95']:.4f} |", flush=True)
    except InputError as error:
        print(f"agreement.py: {error}", file=sys.stderr)
        return 2
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        facts = {"network": student.name, "teacher": teacher.name, "held_out": options.held_out, "sets": results}
        options.out.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
