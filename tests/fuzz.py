"""Mutated files and texts, at every place where a visitor, a folder or the Hub can bring one.

PYTHONPATH=. python tests/fuzz.py --count 10000
PYTHONPATH=. python tests/fuzz.py --only 1234   # one case again

Each case must end in an answer or in an ``InputError`` whose sentence says what is wrong: never in another exception, a
crash, more than ``SECONDS`` of work or ``MEMORY`` bytes more than before. A case is a function of its number.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import multiprocessing
import random
import resource
import shutil
import struct
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import torch
from tiny import COMMAND, published, tiny_network

from restoration import Degradation
from restoration.cli.jobs import find_jobs
from restoration.hub import HubModel, load_weights
from restoration.images import InputError, read_image
from restoration.images.photo_file import read_photo
from restoration.lab.recipe import Axis, Recipe, SeverityGrid, make_seed
from restoration.network.checkpoint import load_stage, save_stage
from restoration.page.endpoints import named_settings, read_json
from train import run

SECONDS, MEMORY = 2.0, 2**30
STUCK = 300.0  # seconds without an answer, after which a case counts as hanging
EXTREMES = [*map(bytes.fromhex, ("00", "ff", "7fff", "ffff", "80000000", "7fffffff", "ffffffff", "00000000"))]
STRANGE = [None, -1, 0, 1e308, float("nan"), 10**30, "", "\0", "x" * 10_000, [], {}, True, [[[]]], 0.5, "é"]
INSERTED = ["", "{", '"', "\ud800", "\0", "9" * 400, "[" * 2000, "é"]


def pictures() -> list[bytes]:
    """One small picture in every format and mode that is read, with what may stand beside the pixels."""
    rng = np.random.default_rng(0)
    colour = PIL.Image.fromarray(rng.integers(0, 256, (48, 40, 3), dtype=np.uint8))
    exif = PIL.Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a face"
    deep = PIL.Image.fromarray(rng.integers(0, 65536, (48, 40)).astype(np.uint16))
    result = []
    for picture, form, options in (
        (colour, "PNG", {"exif": exif}), (colour.convert("RGBA"), "PNG", {}), (colour.convert("P"), "PNG", {}),
        (deep, "PNG", {}), (colour.convert("1"), "PNG", {}), (colour, "JPEG", {"exif": exif, "dpi": (300, 300)}),
        (colour.convert("CMYK"), "JPEG", {}), (colour.convert("L"), "JPEG", {"progressive": True}),
        (colour, "WEBP", {"lossless": True}), (colour.convert("RGBA"), "WEBP", {}), (colour, "GIF", {}),
        (colour, "BMP", {}), (colour, "TIFF", {"compression": "tiff_lzw"}), (deep, "TIFF", {}), (colour, "AVIF", {}),
        (colour, "HEIF", {}), (colour, "GIF", {"save_all": True, "append_images": [colour.rotate(90)]}),
    ):  # fmt: skip
        picture.save(buffer := io.BytesIO(), form, **options)
        result.append(buffer.getvalue())
    png = bytearray(result[0])
    png[33:33] = chunk(b"gAMA", struct.pack(">I", 100_000)) + chunk(b"iCCP", b"p\0\0" + zlib.compress(b"no profile"))
    return [*result, bytes(png)]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with the checksum that it should have."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """A few bits, lengths and parts of it changed; where it is a PNG, often with checksums that fit again."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at, size = rng.randrange(len(made) + 1), rng.choice((1, 2, 4, 16, 64))
        change = rng.randrange(7)
        if change == 0 and at < len(made):
            made[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            extreme = rng.choice(EXTREMES)
            made[at : at + len(extreme)] = extreme
        elif change == 2:
            del made[at : at + size]
        elif change == 3:
            made[at:at] = made[at : at + size] * rng.choice((1, 2, 50))
        elif change == 4:
            made[at:at] = rng.randbytes(size)
        elif change == 5 and rng.random() < 0.3:
            del made[at:]
        elif change == 6 and rng.random() < 0.3:
            other = rng.choice(others)
            made[at:] = other[min(at, len(other)) :]
    if made[:8] == b"\x89PNG\r\n\x1a\n" and rng.random() < 0.8:
        return _with_checksums(bytes(made))
    return bytes(made)


def _with_checksums(png: bytes) -> bytes:
    made, at = png[:8], 8
    while at + 12 <= len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        if at + 12 + size > len(png):
            break
        made, at = made + chunk(png[at + 4 : at + 8], png[at + 8 : at + 8 + size]), at + 12 + size
    return made + png[at:]


def mutated_text(text: str, rng: random.Random) -> str:
    """A JSON value changed, or characters of the text."""
    if text[:1] in "{[" and rng.random() < 0.6:
        value = json.loads(text)
        if spots := list(_spots(value)):
            place, key = rng.choice(spots)
            place[key] = rng.choice(STRANGE)
        return json.dumps(value)
    characters = list(text)
    for _ in range(rng.choice((1, 2, 8))):
        at = rng.randrange(len(characters) + 1)
        characters[at : at + rng.choice((0, 1, 5))] = rng.choice(INSERTED)
    return "".join(characters)


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything inside a JSON value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _spots(value[key])


class Target(NamedTuple):
    """A place where something comes in: what share of all cases it gets, what is mutated, and what reads it."""

    share: int
    seeds: list[bytes] | list[str]
    read: Callable[[Any, Path], object]


def targets(folder: Path) -> dict[str, Target]:
    """Every place, with untouched files of its own in ``folder``."""
    torch.manual_seed(0)
    files, network = published(folder / "published", 0), tiny_network()
    for name in ("detail", "face"):
        save_stage(folder / f"{name}.safetensors", getattr(network, name))
    command = [*COMMAND, "--stage", "detail", "--face", str(folder / "face.safetensors"), "--validation-faces", "1"]
    run.main([*command, "--out", str(folder / "run")])
    checkpoint = (folder / "run" / "detail" / "checkpoint.pt").read_bytes()
    fixed: dict[str, Any] = {"face": "", "picture": "0" * 12, "seed": 1, "model": "1" * 12}
    case = {"noise": Degradation(noise=10, motion_length=9, jpeg=40)}
    plan = SeverityGrid(Degradation(jpeg=60), Axis("noise", (0, 10, 20)), Axis("blur_sigma", (0, 1, 2)))
    recipes = [Recipe(view="test", cases=case, **fixed), Recipe(view="sweep", plan=plan, **fixed)]
    settings = json.dumps({"noise": 10, "downsample": 4, "jpeg": 50, "kernel": "bicubic", "grayscale": True})
    report = {"command": "restore", "photos": [{"input": "a.png", "output": "b.png", "status": "done"}]}

    def read_weights(name: str, data: bytes, place: Path) -> object:
        for other, content in files.items():
            (place / other).write_bytes(data if other == name else content)
        return load_weights(place)

    def read_file(read: Callable[[Path], object], data: bytes, place: Path) -> object:
        (place / "file").write_bytes(data)
        return read(place / "file")

    def resume(data: bytes, place: Path) -> object:
        shutil.copytree(folder / "run", place / "run")
        (place / "run" / "detail" / "checkpoint.pt").write_bytes(data)
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            status = run.main([*command, "--out", str(place / "run")])
        if status not in (0, 2):
            raise RuntimeError(f"status {status}")
        return status

    def find(text: str, place: Path) -> object:
        (place / "a.png").write_bytes(b"")
        (place / "report.json").write_text(text, errors="surrogatepass")
        options = {"json": place / "report.json", "format": None, "suffix": "", "quality": None, "overwrite": False}
        with contextlib.redirect_stderr(io.StringIO()):
            return find_jobs(argparse.Namespace(source=place / "a.png", destination=place / "b.png", **options))

    weights = {
        f"weights: {name}": Target(2, [files[name]], functools.partial(read_weights, name))
        for name in ("config.json", "training.json", "model.safetensors", "golden.safetensors")
    }
    return {
        "picture": Target(30, pictures(), lambda data, _: read_image(data)),
        "photo": Target(20, pictures(), functools.partial(read_file, read_photo)),
        "stage": Target(3, [(folder / "detail.safetensors").read_bytes()], functools.partial(read_file, load_stage)),
        "checkpoint": Target(1, [checkpoint], resume),
        **weights,
        "recipe": Target(8, [recipe.to_json() for recipe in recipes], lambda text, _: Recipe.from_json(text)),
        "link": Target(8, [recipe.to_token() for recipe in recipes], lambda text, _: Recipe.from_token(text)),
        "settings": Target(8, [settings], lambda text, _: named_settings(read_json(text), 0)),
        "report": Target(4, [json.dumps(report, indent=2)], find),
        "model": Target(4, ["owner/name@v1.0"], lambda text, _: HubModel.parse(text)),
        "seed": Target(2, ["123", "1.5"], lambda text, _: make_seed(read_json(text))),
    }


EVERY: dict[str, Target] = {}  # of the process that does the cases


def one_case(number: int, every: dict[str, Target] = EVERY) -> tuple[str, str]:
    """Do a case: its target; and "answer", "sentence" or what is wrong."""
    rng = random.Random(f"fuzz/{number}")
    name = rng.choices(list(every), [target.share for target in every.values()])[0]
    target = every[name]
    seed = rng.choice(target.seeds)
    data = mutated_text(seed, rng) if isinstance(seed, str) else mutated(seed, target.seeds, rng)  # type: ignore[arg-type]
    begun, used = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        try:
            target.read(data, Path(folder))
            end = "answer"
        except InputError as error:
            end = "sentence" if str(error).strip() else "an InputError without a word"
        except Exception as error:
            end = f"{type(error).__name__}: {error}"[:300]
    seconds, more = time.process_time() - begun, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used)
    if more > MEMORY or (seconds > SECONDS and name != "checkpoint"):  # which trains to its end
        end = f"{seconds:.1f} s of work, {more / 2**20:.0f} MiB more than before"
    return name, end


def prepare(folder: str) -> None:
    """What that process does first; its files lie in a folder."""
    warnings.simplefilter("ignore")
    tempfile.tempdir = folder
    EVERY.update(targets(Path(tempfile.mkdtemp())))


def fuzz(numbers: list[int]) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Do cases in a process that may crash or hang: how each target ended, and every fault in a line."""
    told, faults = Counter[tuple[str, str]](), list[str]()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        pool = context.Pool(1, prepare, [folder])
        for number in numbers:
            try:
                name, end = pool.apply_async(one_case, (number,)).get(STUCK)
            except multiprocessing.TimeoutError:
                pool.terminate()
                pool = context.Pool(1, prepare, [folder])
                name, end = "unknown", "hangs, or ended its process"
            told[name, end if end in ("answer", "sentence") else "fault"] += 1
            if end not in ("answer", "sentence"):
                faults.append(f"case {number}, {name}: {end}")
        pool.terminate()
    return told, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--only", type=int, nargs="+")
    options = parser.parse_args()
    told, faults = fuzz(options.only or list(range(options.count)))
    for name in dict.fromkeys(name for name, _ in sorted(told)):
        print(f"{name:28}", ", ".join(f"{told[name, end]} {end}s" for end in ("answer", "sentence", "fault")))
    print(f"{told.total()} cases, {len(faults)} faults", *faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
