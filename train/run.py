"""The command: train the network, or go on with a run that was stopped.

python train/run.py --data FOLDER --validation FOLDER --out runs/mine
accelerate launch train/run.py …  shares every batch between the processes, with the same result
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

if not __package__:  # python train/run.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from restoration.cli.jobs import ask_writable
from restoration.cli.main import STAGING, add_push_options
from restoration.degrade.protocols import TRAINING
from restoration.hub import HubModel, load_weights
from restoration.hub.push import check_push, push_to_hub
from restoration.hub.staging import prepare
from restoration.images import InputError
from restoration.measure.identity import load_identity
from restoration.network import CoarseToFine, UNet, parameter_count
from restoration.network.checkpoint import TRAINING as FACTS
from restoration.network.checkpoint import load_stage, save_weights
from restoration.restorer import select_device
from train import evaluate
from train.batches import Recipe
from train.config import NETWORK, STAGES, TrainConfig, add_config, command, configurations, new_parser
from train.data import HUB, MIN_FACE, SMALL, Faces, load_faces, open_source, read_faces
from train.loop import CONFIG, PROGRESS, Trainer, plot_curves, read_checkpoint
from train.stages import RESULT, DetailStage, FaceStage, stage_trainer

FACES = "faces.uint8"  # where --on-disk keeps them


def parser() -> argparse.ArgumentParser:
    """Options; what is not given is the stage's own, as ``TrainConfig`` and ``STAGES`` have it."""
    result = new_parser(__doc__)
    add = result.add_argument
    data = "aligned square faces to learn from: folders, or hub:OWNER/NAME[@REVISION][:SPLIT]"
    add("--data", nargs="+", required=True, metavar="SOURCE", help=data)
    add("--small", nargs="+", default=[], metavar="FOLDER", help="aligned faces of 128 pixels, for the face stage")
    add("--align", action="store_true", help="the pictures are photos: cut out and align the largest face of each")
    smallest = "pixels of the smallest face that is taken; a smaller one teaches no finer detail (%(default)s)"
    add("--smallest", type=int, default=MIN_FACE, metavar="N", help=smallest)
    add("--on-disk", action="store_true", help="keep the faces in a file of --out, not in memory")
    add("--validation", nargs="+", required=True, metavar="FOLDER", help="aligned faces of other people to watch")
    add("--out", type=Path, required=True, help="folder of the run; resumed when it holds a checkpoint")
    add("--stage", choices=("both", *STAGES), default="both", help="what is trained; both in their order (%(default)s)")
    add("--face", metavar="FILE", help="face stage for --stage detail: a run's stage.safetensors (that of --out)")
    add("--limit", type=int, help="use at most so many training faces")
    add_config(result, TrainConfig, {stage: {"stage": stage, **fields} for stage, fields in STAGES.items()})
    for name, text in NETWORK.items():
        add(f"--{name}", type=int, nargs=None if name == "unshuffle" else "+", help=f"network: {text}")
    add("--device", default="auto", help="cpu, cuda, cuda:1 …; auto is the first GPU, else the CPU (%(default)s)")
    add("--compile", action="store_true", help="torch.compile the network")
    add("--stop-after", type=int, metavar="STEP", help="stop each stage there; the same command without it goes on")
    origin = "where the training faces come from, for training.json and the model card: FFHQ=cc-by-nc-sa-4.0"
    add("--datasets", nargs="+", default=[], metavar="NAME=LICENCE", help=origin)
    add("--push-to-hub", metavar="OWNER/NAME", help="evaluate the finished run on the validation faces and publish it")
    add_push_options(result)
    add("--dry-run", action="store_true", help="check folders and settings, print the resolved configuration, and stop")
    return result


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 1 diverged, 2 unusable input, 130 or 143 stopped."""
    options = parser().parse_args(arguments)
    device = select_device(options.device)
    configs = configurations(vars(options), device)
    if any(value is not None and value < 1 for value in (options.smallest, options.stop_after)):
        raise InputError("--smallest and --stop-after must be at least 1.")
    if options.compile and device.type == "cpu":
        raise InputError("--compile is for a GPU: what torch compiles for a CPU gets some gradients wrong.")
    datasets = _datasets(options.datasets)
    if {*map(Path, options.data)} & {*map(Path, options.validation)}:
        print("run.py: --data and --validation share a folder: it is measured on faces that it learns", file=sys.stderr)
    if options.dry_run:
        print(json.dumps(_plan(options, configs, device), indent=2))
        return 0
    if options.push_to_hub:
        check_push(options.push_to_hub, options.public, options.tag)  # now rather than after the training
    ask_writable([options.out / CONFIG])
    accelerator = Accelerator(cpu=device.type == "cpu")
    if accelerator.num_processes > 1:
        device = accelerator.device
    source = open_source(options.data, limit=options.limit, align=options.align, smallest=options.smallest)
    faces = read_faces(source, device, options.out / FACES if options.on_disk else None)
    validation = load_faces(options.validation, limit=configs[0].validation_faces, device=str(device))
    trainers: dict[str, Trainer] = {}
    for config in configs:
        trainer = trainers[config.stage] = _trainer(config, options, faces, validation, device, accelerator)
        trainer.run(options.stop_after)
        if accelerator.is_main_process:
            plot_curves(trainer.out)
            print(f"{trainer.out / RESULT}: averaged {config.stage} stage of step {trainer.step}")
    if "detail" not in trainers or not accelerator.is_main_process:
        return 0
    cuda = device.type == "cuda"
    facts = {
        "data": [text if text.startswith(HUB) else Path(text).name for text in options.data + options.small],
        "datasets": datasets,
        "training_faces": len(faces),
        "processes": accelerator.num_processes,
        "hardware": torch.cuda.get_device_name() if cuda else f"{torch.get_num_threads()} CPU threads",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    _save(options, configs[-1], facts)
    done = all(trainer.step == trainer.config.steps for trainer in trainers.values())
    return _publish(options) if options.push_to_hub and done else 0


def _trainer(
    config: TrainConfig,
    options: argparse.Namespace,
    faces: Faces,
    validation: Faces,
    device: torch.device,
    accelerator: Accelerator,
) -> Trainer:
    """A stage that is ready to run; its folder is ``out/face`` or ``out/detail``."""
    whole = config.stage == "face"
    small = load_faces(options.small, device=str(device), side=SMALL) if whole and options.small else None
    learnt, part, parts = TRAINING[config.stage], accelerator.process_index, accelerator.num_processes
    recipe = Recipe(
        faces, small, degradations=learnt, seed=config.seed, jitter=config.jitter, device=device, part=part, parts=parts
    )
    stage: FaceStage | DetailStage
    if whole:
        stage = FaceStage(config, recipe, validation, load_identity().to(device))
    else:
        face = _face(options, config)
        stage = DetailStage(config, recipe, validation, face.to(device) if face else None)
    initial = load_weights(config.init).model if config.init else None
    start = (initial.face if whole else initial.detail) if initial else None
    if initial and start is None:
        raise InputError(f"The weights {config.init} have no face stage to start from.")
    out = options.out / config.stage
    return stage_trainer(stage, out, device, initial=start, accelerator=accelerator, compile=options.compile)


def _face(options: argparse.Namespace, config: TrainConfig) -> UNet | None:
    """The face stage that guides the detail stage; None where that one takes no guide."""
    if not config.model.guided:
        return None
    path = Path(options.face or options.out / "face" / RESULT)
    if not path.is_file():
        raise InputError(
            f"The detail stage needs a face stage, and there is no {path}: train it first, or name one by --face."
        )
    return load_stage(path)


def _save(options: argparse.Namespace, config: TrainConfig, facts: dict[str, Any]) -> None:
    """Both stages as one set of weights in ``out/weights``, with how each was made."""
    detail, face = load_stage(options.out / "detail" / RESULT), _face(options, config)
    network = CoarseToFine(detail.config, face.config if face else None)
    network.detail, network.face = detail, face
    records = [options.out / stage / PROGRESS for stage in STAGES]
    stages = {record.parent.name: json.loads(record.read_text()) for record in records if record.exists()}
    known = {
        "name": config.name,
        "license": config.license,
        "ranges": {name: list(span) for name, span in TRAINING["detail"].ranges().items()},
        "step": stages["detail"]["step"],
        "seconds": round(sum(stage["seconds"] for stage in stages.values())),
        "config": stages["detail"]["config"],
        "stages": stages,
    }
    save_weights(options.out / "weights", network, {**known, **facts})


def _plan(options: argparse.Namespace, configs: list[TrainConfig], device: torch.device) -> dict[str, Any]:
    """What a dry run prints; everything that can be checked before the training is."""
    plan: dict[str, Any] = {config.stage: config.to_dict() for config in configs}
    plan["faces"] = {
        "data": open_source(options.data, limit=options.limit).count,
        "small": open_source(options.small).count if options.small else 0,
        "validation": open_source(options.validation, limit=configs[0].validation_faces).count,
    }
    plan |= {"parameters": sum(parameter_count(UNet(config.model)) for config in configs), "device": str(device)}
    begun = [read_checkpoint(options.out / config.stage, config) for config in configs]
    if options.stage == "detail":
        _face(options, configs[0])
    if options.init and not begun[0]:
        load_weights(options.init)
    if repo_id := options.push_to_hub:
        HubModel(repo_id)
        plan["push"] = {"repository": repo_id, "public": options.public}
        if (options.out / "weights" / FACTS).exists():  # the files themselves, written to ``STAGING``
            folder = STAGING / repo_id.replace("/", "--")
            plan["push"] |= {"folder": str(folder), "files": prepare(options.out, folder, repo_id)}
    return plan


def _publish(options: argparse.Namespace) -> int:
    """Evaluate the run on its validation faces, and push it; returns the exit status."""
    out, repo_id = options.out, options.push_to_hub
    sets = [f"{Path(folder).name}{index or ''}={folder}" for index, folder in enumerate(options.validation)]
    about = ["--faces", *sets, "--protocols", "blind", "original", "--weights", str(out / "weights")]
    if options.validation_faces:
        about += ["--limit", str(options.validation_faces)]
    if evaluate.main([*about, "--device", options.device, "--out", str(out)]):
        return 2
    try:
        print(push_to_hub(out, repo_id, public=options.public, tag=options.tag, card=options.card))
    except InputError as error:
        raise InputError(f"{error}\nThe run is whole: python -m restoration push {out} {repo_id}") from error
    return 0


def _datasets(texts: list[str]) -> list[dict[str, str]]:
    rows = [text.partition("=") for text in texts]
    if wrong := [name for name, _, licence in rows if not name or not licence]:
        raise InputError(f"--datasets takes NAME=LICENCE, for example FFHQ=cc-by-nc-sa-4.0, not {wrong[0]!r}.")
    return [{"name": name, "license": licence} for name, _, licence in rows]


if __name__ == "__main__":
    sys.exit(main())
