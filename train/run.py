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

if not __package__:  # python train/run.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from restoration.cli.hub import STAGING, add_push_options
from restoration.degrade.protocols import TRAINING
from restoration.hub import TRAINING as FACTS
from restoration.hub import HubModel, load_weights, push_to_hub, save_weights
from restoration.hub.push import check_push, prepare
from restoration.images import InputError
from restoration.measure.identity import load_identity
from restoration.network import CoarseToFine, UNet
from restoration.network.checkpoint import load_stage
from restoration.restorer import select_device
from train import evaluate
from train.batches import FaceSquares, Order, Recipe, WholeFaces
from train.config import STAGES, TrainConfig, add_options, configurations
from train.curves import plot_curves
from train.data import SMALL, Faces, FaceStream, gather, load_faces
from train.face_sources import HUB, find_pictures, open_source
from train.loop import CHECKPOINT, CONFIG, PROGRESS, RESULT, Diverged, Trainer
from train.stages import DetailStage, FaceStage, Stage


def parser() -> argparse.ArgumentParser:
    """Options; what is not given is the stage's own, as ``TrainConfig`` and ``STAGES`` have it."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add(
        "--data",
        nargs="+",
        required=True,
        metavar="SOURCE",
        help="aligned square faces to learn from: folders, celeba:ROOT[:SPLIT], or hub:OWNER/NAME[@REVISION][:SPLIT]",
    )
    add("--small", nargs="+", default=[], metavar="FOLDER", help="aligned faces of 128 pixels, for the face stage")
    add("--align", action="store_true", help="the pictures are photos: cut out and align the largest face of each")
    add("--window", type=int, metavar="N", help="faces in memory at a time (as many as half of what is free holds)")
    add("--validation", nargs="+", required=True, metavar="FOLDER", help="aligned faces of other people to watch")
    add("--out", type=Path, required=True, help="folder of the run; resumed when it holds a checkpoint")
    add("--stage", choices=("both", *STAGES), default="both", help="what is trained; both in their order (%(default)s)")
    add("--face", metavar="FILE", help="face stage for --stage detail: a run's stage.safetensors (that of --out)")
    add("--init", help="weights to start from: a folder, owner/name@revision on the Hub, or an embedded name")
    add("--limit", type=int, help="use at most so many training faces")
    add_options(result)
    add("--device", default="auto", help="cpu, cuda, cuda:1 …; auto is the first GPU, else the CPU (%(default)s)")
    add("--compile", action="store_true", help="torch.compile the network")
    add("--stop-after", type=int, metavar="STEP", help="stop each stage there; the same command without it goes on")
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
    repo_id, out = options["push_to_hub"], options["out"]
    try:
        device = select_device(options["device"])
        configs = configurations(options, device)
        bounds = [options[name] for name in ("window", "limit", "stop_after")]
        if any(value is not None and value < 1 for value in bounds):
            raise InputError("--window, --limit and --stop-after must be at least 1.")
        datasets = _datasets(options["datasets"])
        if options["dry_run"]:
            print(json.dumps(_plan(options, configs, device), indent=2))
            return 0
        if repo_id:
            check_push(repo_id, options["public"], options["tag"])  # now rather than after the training
        _make_folder(out)
        accelerator = Accelerator(cpu=device.type == "cpu")
        if accelerator.num_processes > 1:
            device = accelerator.device
        source = open_source(options["data"], limit=options["limit"], align=options["align"])
        faces = gather(source, str(device), options["window"] or _window_of(out))
        watched = max(config.validation_faces for config in configs)
        validation = load_faces(options["validation"], limit=watched, device=str(device))
        facts = {
            "data": [text if text.startswith(HUB) else Path(text).name for text in options["data"] + options["small"]],
            "datasets": datasets,
            "training_faces": len(faces) if isinstance(faces, Faces) else source.count,
            "processes": accelerator.num_processes,
            "hardware": torch.cuda.get_device_name()
            if device.type == "cuda"
            else f"{torch.get_num_threads()} CPU threads",
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        trainers = {}
        for config in configs:
            config = dataclasses.replace(config, window=None if isinstance(faces, Faces) else faces.size)
            trainer = _trainer(config, options, faces, validation, device, accelerator)
            trainer.run(options["stop_after"])
            trainers[config.stage] = trainer
            if accelerator.is_main_process:
                plot_curves(trainer.out)
                print(f"{trainer.out / RESULT}: averaged {config.stage} stage of step {trainer.step}")
        if "detail" in trainers and accelerator.is_main_process:
            _save(out, trainers["detail"], _face(options, configs[-1]), facts)
    except Diverged as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except InputError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nrun.py: stopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    if not accelerator.is_main_process:
        return 0
    done = all(trainer.step == trainer.config.steps for trainer in trainers.values())
    return _publish(options, repo_id) if repo_id and done and "detail" in trainers else 0


def _trainer(
    config: TrainConfig,
    options: dict[str, Any],
    faces: Faces | FaceStream,
    validation: Faces,
    device: torch.device,
    accelerator: Accelerator,
) -> Trainer:
    """A stage that is ready to run; its folder is ``out/face`` or ``out/detail``."""
    small = (
        load_faces(options["small"], device=str(device), side=SMALL)
        if config.stage == "face" and options["small"]
        else None
    )
    order = Order(faces, small, config.seed)
    recipe = Recipe(
        degradations=TRAINING[config.stage],
        seed=config.seed,
        jitter=config.jitter,
        part=accelerator.process_index,
        parts=accelerator.num_processes,
    )
    watched = Faces(validation.images[: config.validation_faces], validation.names[: config.validation_faces])
    stage: Stage
    if config.stage == "face":
        side = config.model.positions
        batches = WholeFaces(order, recipe, batch=config.batch, side=side)
        stage = FaceStage(batches, watched, side, load_identity().to(device))
    else:
        squares = FaceSquares(
            order, recipe, batch=config.batch, squares=config.squares, crop=config.crop, alone=config.alone,
            plain=config.plain,
        )  # fmt: skip
        face = _face(options, config)
        stage = DetailStage(squares, watched, face.to(device) if face else None)
    initial = load_weights(config.init).model if config.init else None
    start = (initial.face if config.stage == "face" else initial.detail) if initial else None
    if initial and start is None:
        raise InputError(f"The weights {config.init} have no face stage to start from.")
    return Trainer(
        config, stage, order.fingerprint, device, options["out"] / config.stage, initial=start,
        accelerator=accelerator, compile=options["compile"],
    )  # fmt: skip


def _face(options: dict[str, Any], config: TrainConfig) -> UNet | None:
    """The face stage that guides the detail stage; None where that one takes no guide."""
    if not config.model.guided:
        return None
    path = Path(options["face"] or options["out"] / "face" / RESULT)
    if not path.is_file():
        raise InputError(
            f"The detail stage needs a face stage, and there is no {path}: train it first, or name one by --face."
        )
    return load_stage(path)


def _save(out: Path, detail: Trainer, face: UNet | None, facts: dict[str, Any]) -> None:
    """Both stages as one set of weights in ``out/weights``, with how each was made."""
    network = CoarseToFine(detail.config.model, face.config if face else None)
    network.detail.load_state_dict(detail.average.state_dict())
    if face and network.face is not None:
        network.face.load_state_dict(face.state_dict())
    stages = {}
    for stage in STAGES:
        record = out / stage / PROGRESS
        if record.exists():
            stages[stage] = json.loads(record.read_text())
    ranges = {name: list(span) for name, span in TRAINING["detail"].ranges().items()}
    known = {"name": detail.config.name, "license": detail.config.license, "ranges": ranges}
    total = {"step": detail.step, "seconds": round(sum(stage["seconds"] for stage in stages.values()))}
    save_weights(
        out / "weights", network, {**known, **total, "config": detail.config.to_dict(), "stages": stages, **facts}
    )


def _plan(options: dict[str, Any], configs: list[TrainConfig], device: torch.device) -> dict[str, Any]:
    """What a dry run prints; everything that can be checked before the training is."""
    plan: dict[str, Any] = {config.stage: config.to_dict() for config in configs}
    plan["faces"] = {
        "data": open_source(options["data"], limit=options["limit"], align=options["align"]).count,
        "small": len(find_pictures(options["small"])) if options["small"] else 0,
        "validation": len(find_pictures(options["validation"], limit=max(c.validation_faces for c in configs))),
    }
    plan |= {"parameters": sum(UNet(config.model).parameter_count() for config in configs), "device": str(device)}
    if options["init"] and not (options["out"] / configs[0].stage / CHECKPOINT).exists():
        load_weights(options["init"])
    if options["push_to_hub"]:
        plan["push"] = _plan_push(options["out"], options["push_to_hub"], options["public"])
    return plan


def _publish(options: dict[str, Any], repo_id: str) -> int:
    """Evaluate the run on its validation faces, and push it; returns the exit status."""
    out = options["out"]
    sets = [f"{Path(folder).name}{index or ''}={folder}" for index, folder in enumerate(options["validation"])]
    command = ["--faces", *sets, "--protocols", "blind", "original"]
    if options["validation_faces"]:
        command += ["--limit", str(options["validation_faces"])]
    if evaluate.main([*command, "--weights", str(out / "weights"), "--device", options["device"], "--out", str(out)]):
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
    if (out / "weights" / FACTS).exists():
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
    for stage in STAGES:
        if (out / stage / CHECKPOINT).exists() and (out / stage / CONFIG).exists():
            window: int | None = json.loads((out / stage / CONFIG).read_text()).get("window")
            return window
    return None


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
