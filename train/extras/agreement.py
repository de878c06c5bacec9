"""How well a recogniser agrees with the one that it learned from: the mean cosine between their embeddings.

    python -m train.extras.agreement --teacher FILE --faces val=FOLDER lfw@64=FOLDER --align lfw --out agreement.json

``--faces`` and ``--align`` are those of ``train.evaluate``. ``--held-out``, for folders that ``train.extras.identity``
learned from, leaves of every set those people alone that it did not see.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restoration.images import InputError
from restoration.measure.identity import IdentityNetwork, load_identity
from restoration.measure.recogniser import embed
from train.config import command, new_parser, write_json
from train.evaluate import read_set
from train.extras.identity import IdentityConfig, crops_of, is_held_out, read_crops
from train.summary import summary, table, with_interval


@torch.inference_mode()
def cosines(student: IdentityNetwork, teacher: IdentityNetwork, crops: Tensor) -> list[float]:
    """Cosine between both networks' embeddings of each of (N, 3, 112, 112) uint8 crops.

    Raises:
        InputError: embeddings of different lengths: one cannot have learned from the other.
    """
    result: list[float] = []
    for part in torch.split(crops, 32):
        one, other = (embed(network.network, part.float() / 255) for network in (student, teacher))
        if one.shape != other.shape:
            raise InputError(
                f"{student.name} gives {one.shape[1]} numbers a face and {teacher.name} {other.shape[1]}: "
                "only a recogniser that learned from the other one can agree with it."
            )
        result += (one * other).sum(dim=1).tolist()
    return result


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--teacher", required=True, metavar="FILE", help="the network that was learned from, as --identity")
    add("--identity", help="the network that learned, as load_identity takes it (its default)")
    add("--faces", nargs="+", default=[], metavar="NAME=FOLDER", help="sets of aligned 512x512 faces")
    add("--align", nargs="+", default=[], metavar="NAME", help="of these the sets that are photos, aligned first")
    add("--crops", nargs="+", default=[], metavar="NAME=FOLDER", help="sets of 112x112 crops on ArcFace's template")
    add("--held-out", action="store_true", help="only people that train.extras.identity does not learn from")
    add("--limit", type=int, help="at most so many pictures a set, spread evenly")
    add("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args(arguments)
    if not options.faces and not options.crops:
        raise InputError("Give --faces, --crops or both to measure on.")
    student, teacher = load_identity(options.identity), load_identity(options.teacher)
    results = list[dict[str, Any]]()
    for text in [*options.faces, *options.crops]:
        if text in options.faces:
            name, _, faces = read_set(text, options.align, options.limit)
            crops, people = crops_of(faces), list(faces.names)
        else:
            name, _, folder = text.partition("=")
            if not name or not folder:
                raise InputError("--crops takes NAME=FOLDER, for example lfw=/data/crops/lfw.")
            crops, people = read_crops([folder], options.limit)
        kept = [not options.held_out or is_held_out(each, IdentityConfig.held_out) for each in people]
        if not any(kept):
            raise InputError(f"{name} has nobody that was held out. Leave out --held-out, or measure another set.")
        found = {key: round(value, 5) for key, value in summary(cosines(student, teacher, crops[kept])).items()}
        results.append({"set": name, "pictures": sum(kept), **found})
    rows = [[each["set"], each["pictures"], with_interval(each, 4)] for each in results]
    print("\n".join(table(["set", "pictures", "mean cosine"], *rows)))
    if options.out:
        facts = {"network": student.name, "teacher": teacher.name, "held_out": options.held_out, "sets": results}
        write_json(options.out, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
