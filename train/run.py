"""The command: train the network, or go on with a run that was stopped.

python train/run.py --data FOLDER --validation FOLDER --out runs/mine
accelerate launch train/run.py …  shares every batch between the processes, with the same result
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from restoration.cli.hub import STAGING, add_push_options
from restoration.hub import TRAINING, HubModel, load_weights, push_to_hub
from restoration.hub.push import check_push, prepare
from restoration.images import InputError
from restoration.network.unet import UNet
from restoration.restorer import select_device
from train import evaluate
from train.curves import plot_curves
from train.data import Faces, gather, load_faces
from train.face_sources import HUB, find_pictures, open_source
from train.loop import CHECKPOINT, CONFIG, RESULT, TrainConfig, Trainer
from train.losses import RECONSTRUCTIONS
from train.network_options import add_network_options, take_network
from train.optimizer import OPTIMIZERS
from train.precision import fastest


def parser() -> argparse.ArgumentParser:
    """Options; defaults are those of ``TrainConfig``."""
    default = TrainConfig()
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add(
        "--data",
        nargs="+",
        required=True,
        metavar="SOURCE",
        help="aligned square faces to learn from: folders, celeba:ROOT[:SPLIT], or hub:OWNER/NAME[@REVISION][:SPLIT]",
    )
    add("--align", action="store_true", help="the pictures are photos: cut out and align the largest face of each")
    add("--window", type=int, metavar="N", help="faces in memory at a time (as many as half of what is free holds)")
    add("--validation", nargs="+", required=True, metavar="FOLDER", help="aligned faces of other people to watch")
    add("--out", type=Path, required=True, help="folder of the run; resumed when it holds a checkpoint")
    add("--name", default=default.name, help="name of the weights (%(default)s)")
    add("--license", default=default.license, help="licence of the weights (%(default)s)")
    add("--init", help="weights to start from: a folder, owner/name@revision on the Hub, or an embedded name")
    add("--limit", type=int, help="use at most so many training faces")
    add("--steps", type=int, default=default.steps, help="optimiser steps (%(default)s)")
    add("--batch", type=int, default=default.batch, help="images a step (%(default)s)")
    add("--crop", type=int, default=default.crop, help="side of the trained square, pixels, 64 to 512 (%(default)s)")
    add("--learning-rate", type=float, default=default.learning_rate, help="peak (%(default)s)")
    add("--final-rate", type=float, default=default.final_rate, help="share of the peak at the end (%(default)s)")
    add("--warmup", type=int, default=default.warmup, help="steps to the peak (%(default)s)")
    add("--optimizer", choices=OPTIMIZERS, default=default.optimizer, help="for the convolutions (%(default)s)")
    add("--weight-decay", type=float, default=default.weight_decay, help="decoupled, 0 to 1 (%(default)s)")
    add("--ema", type=float, default=default.ema, help="decay of the averaged weights a step (%(default)s)")
    add(
        "--reconstruction",
        choices=RECONSTRUCTIONS,
        default=default.reconstruction,
        help="distance between pixels (%(default)s)",
    )
    add("--lambda-rec", type=float, default=default.lambda_rec, help="weight of reconstruction (%(default)s)")
    add("--lambda-id", type=float, default=default.lambda_id, help="weight of identity; needs --crop 512 (%(default)s)")
    add("--identity", metavar="FILE", help="face recogniser to train against (the embedded one)")
    add("--jitter", type=float, default=default.jitter, help="share of images misaligned and tinted (%(default)s)")
    add(
        "--precision",
        choices=("auto", "bf16", "fp32"),
        default="auto",
        help="of the network; auto is bf16 on a GPU and on a CPU with matrix units for it, else fp32 (%(default)s)",
    )
    add("--seed", type=int, default=default.seed, help="decides every random draw (%(default)s)")
    add("--log-every", type=int, default=default.log_every, help="steps between rows of train.csv (%(default)s)")
    add("--save-every", type=int, default=default.save_every, help="steps between checkpoints (%(default)s)")
    add("--validation-faces", type=int, default=default.validation_faces, help="how many to watch (%(default)s)")
    add_network_options(result)
    add("--device", default="auto", help="cpu, cuda, cuda:1 …; auto is the first GPU, else the CPU (%(default)s)")
    add("--compile", action="store_true", help="torch.compile the network")
    add("--stop-after", type=int, metavar="STEP", help="stop there; the same command without it goes on")
    add(
        "--datasets",
        nargs="+",
        default=[],
        metavar="NAME=LICENCE",
        help="where the training faces come from, for training.json and the model card: FFHQ=cc-by-nc-sa-4.0",
    )
    add("--push-to-hub", metavar="OWNER/NAME", help="evaluate the finished run on the validation faces and publish it")
    add_push_options(result)
    add("--dry-run", action="store_true", help="check folders and settings, print the resolved configuration, and stop")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input, 130 interrupted."""
    options = vars(parser().parse_args(arguments))
    repo_id = options["push_to_hub"]
    try:
        model = take_network(options)
        chosen = select_device(options["device"])
        device = str(chosen)
        if options["precision"] == "auto":
            options["precision"] = fastest(chosen)
        names = {field for field in TrainConfig.__dataclass_fields__ if field != "model"}
        config = TrainConfig(model=model, **{key: value for key, value in options.items() if key in names})
        datasets = _datasets(options["datasets"])
        bounds = [options[name] for name in ("window", "limit", "stop_after")]
        if any(value is not None and value < 1 for value in bounds):
            raise InputError("--window, --limit and --stop-after must be at least 1.")
        if options["dry_run"]:
            found = {
                "data": open_source(options["data"], limit=options["limit"], align=options["align"]).count,
                "validation": len(find_pictures(options["validation"], limit=config.validation_faces)),
            }
            facts = {"parameters": UNet(model).parameter_count(), "device": device, "faces": found}
            if config.init and not (options["out"] / CHECKPOINT).exists():
                load_weights(config.init)
            if repo_id:
                facts["push"] = _plan_push(options["out"], repo_id, options["public"])
            print(json.dumps({**config.to_dict(), **facts}, indent=2))
            return 0
        if repo_id:
            check_push(repo_id, options["public"], options["tag"])  # now rather than after the training
        _make_folder(options["out"])
        accelerator = Accelerator(cpu=device == "cpu")
        if accelerator.num_processes > 1:
            device = str(accelerator.device)
        source = open_source(options["data"], limit=options["limit"], align=options["align"])
        faces = gather(source, device, options["window"] or _window_of(options["out"]))
        config = dataclasses.replace(config, window=None if isinstance(faces, Faces) else faces.size)
        validation = load_faces(options["validation"], limit=config.validation_faces, device=device)
        facts = {
            "data": [text if text.startswith(HUB) else Path(text).name for text in options["data"]],
            "datasets": datasets,
            "training_faces": len(faces) if isinstance(faces, Faces) else source.count,
            "processes": accelerator.num_processes,
            "hardware": torch.cuda.get_device_name()
            if device.startswith("cuda")
            else f"{torch.get_num_threads()} CPU threads",
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        trainer = Trainer(
            config,
            faces,
            validation,
            options["out"],
            facts,
            accelerator=accelerator,
            compile=options["compile"],
        )
        trainer.run(options["stop_after"])
    except InputError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nrun.py: stopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    if not accelerator.is_main_process:
        return 0
    plot_curves(options["out"])
    print(f"{options['out'] / RESULT}: averaged weights of step {trainer.step}")
    return _publish(options, repo_id) if repo_id and trainer.step == config.steps else 0


def _publish(options: dict[str, Any], repo_id: str) -> int:
    """Evaluate the run on its validation faces, and push it; returns the exit status."""
    out = options["out"]
    sets = [f"{Path(folder).name}{index or ''}={folder}" for index, folder in enumerate(options["validation"])]
    command = ["--faces", *sets, "--protocols", "blind", "original", "--limit", str(options["validation_faces"])]
    if evaluate.main([*command, "--weights", str(out / RESULT), "--device", options["device"], "--out", str(out)]):
        return 2
    try:
        pushed = push_to_hub(out, repo_id, public=options["public"], tag=options["tag"], card=options["card"])
    except InputError as error:
        print(f"run.py: {error}\nThe run is whole: python -m restoration push {out} {repo_id}", file=sys.stderr)
        return 2
    print(pushed)
    return 0


def _plan_push(out: Path, repo_id: str, public: bool) -> dict[str, Any]:
    """What would be pushed; of a run that has weights already, the files themselves, written to ``STAGING``."""
    HubModel.repository(repo_id)
    plan: dict[str, Any] = {"repository": repo_id, "public": public}
    if (out / RESULT / TRAINING).exists():
        folder = STAGING / repo_id.replace("/", "--")
        plan |= {"folder": str(folder), "files": prepare(out, folder, repo_id)}
    return plan


def _datasets(texts: list[str]) -> list[dict[str, str]]:
    rows = [text.partition("=") for text in texts]
    if wrong := [name for name, _, licence in rows if not name or not licence]:
        raise InputError(f"--datasets takes NAME=LICENCE, for example FFHQ=cc-by-nc-sa-4.0, not {wrong[0]!r}.")
    return [{"name": name, "license": licence} for name, _, licence in rows]


def _window_of(out: Path) -> int | None:
    """Of a run that is resumed: how much is free now must not decide what it learns from."""
    if not (out / CHECKPOINT).exists() or not (out / CONFIG).exists():
        return None
    window: int | None = json.loads((out / CONFIG).read_text()).get("window")
    return window


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"--out {path} cannot be made ({error.strerror}). Choose a folder that can be written."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
