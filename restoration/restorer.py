"""The whole way: a photo goes in, a restored face and what is known about it come out."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restoration.degrade import LIMITS, Degradation
from restoration.faces import FACE_SIZE, Detector, Face
from restoration.faces.detection import load_detector
from restoration.faces.pasting import face_parts, load_parser
from restoration.faces.photo import MASKS, Background, CentredSquare, Mask, Progress, Restoration, restore_photo
from restoration.hub import load_weights
from restoration.images import Image, InputError, check_image, to_image, to_tensor
from restoration.measure import psnr, ssim
from restoration.measure.uncertainty import KEY, Calibration, calibration_of
from restoration.network import parameter_count
from restoration.network.checkpoint import Weights

Precision = Literal["auto", "fp32", "bf16"]


class Restorer:
    """A loaded network. Safe to share between threads: nothing changes after construction and ``use_lent_gpu``."""

    def __init__(self, weights: Weights, device: torch.device, precision: Precision = "auto") -> None:
        self._weights, self._device = weights, device
        self._precision = select_precision(precision, device)
        self._lent_run: Callable[[NDArray[np.float32], bool], NDArray[np.float32]] | None = None
        # Normalising over channels is cheapest where they lie side by side.
        self._model = weights.model.to(device).to(memory_format=torch.channels_last)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        revision: str | None = None,
        device: str = "cpu",
        precision: Precision = "auto",
    ) -> Restorer:
        """Load weights.

        Args:
            source: a folder of weights, a model on the Hub (``owner/name`` or ``owner/name@revision``), or the name
                of an embedded set; None is the embedded default. Only a model of the Hub that is not in its client's
                cache yet needs a network connection.
            revision: branch, tag or commit of a model on the Hub.
            device, precision: as ``select_device`` and ``select_precision`` take them.

        Raises:
            WeightsError: the weights are missing, damaged or do not fit.
            HubUnreachable: the same, but another time may help.
            InputError: a device that this machine does not have, or another precision.
        """
        return cls(load_weights(source, revision=revision), select_device(device), precision)

    def restore_aligned(self, image: Image) -> Image:
        """Restore a face that already fills the picture: ``restore_batch`` of one."""
        return self.restore_batch([image])[0]

    def restore_batch(self, images: Sequence[Image], aligned: bool = True) -> list[Image]:
        """Restore several faces in one pass: cheaper than one by one.

        Args:
            images: at least one, all of one size, (H, W, 3) uint8 RGB, sides 64 to 2048, or an InputError. Not
                modified. The face stage looks at those of 512x512, aligned to ``faces.FACE_TEMPLATE``.
            aligned: False for squares of a picture that are no faces: the detail stage works alone.

        Returns:
            As many (H, W, 3) uint8 RGB in the same order, grey where the input's channels are equal; each as alone, but
            for the last bit of a float, which may round a value to its neighbour.
        """
        if len({check_image(image).shape for image in images}) != 1:
            raise InputError("A batch needs at least one face, and all of one size.")
        restored = self.restore_tensor(torch.cat([to_tensor(image) for image in images]), aligned=aligned)
        for face, image in zip(restored, images, strict=True):
            if (image == image[..., :1]).all():  # black and white, and to stay so
                face[:] = face.mean(dim=0)
        return [to_image(face) for face in restored]

    def restore_tensor(self, faces: Tensor, *, aligned: bool = True) -> Tensor:
        """The network itself: (B, 3, H, W) float32 in [0, 1] to the same shape on the CPU, not rounded or clamped;
        ``aligned`` faces of 512x512 are looked at by the face stage."""
        run = self._lent_run or self._run
        return torch.from_numpy(run(faces.cpu().numpy(), aligned and faces.shape[-2:] == (FACE_SIZE, FACE_SIZE)))

    @torch.inference_mode()
    def _run(self, faces: NDArray[np.float32], whole: bool) -> NDArray[np.float32]:
        """Arrays rather than tensors, because they go to another process and come back where a GPU is lent."""
        device = torch.device("cuda") if self._lent_run and torch.cuda.is_available() else self._device
        batch = torch.from_numpy(faces).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._precision == "bf16"):
            restored: Tensor = self._model.to(device)(batch, whole)  # on a lent GPU once in that process's life
        array: NDArray[np.float32] = restored.float().cpu().numpy()
        return array

    def use_lent_gpu(self) -> None:
        """On a Space with ZeroGPU hardware, where a GPU is lent to another process for one call at a time, run the
        network so from now on; elsewhere do nothing. To be called once, after the page is built."""
        if _lends_gpu():  # the package is installed on Spaces with other hardware, too
            import spaces  # ZeroGPU hardware brings it

            self._lent_run = spaces.GPU(self._run)

    @functools.cached_property
    def calibration(self) -> Calibration | None:
        """What is known about the errors of these weights; None where they were not measured. InputError: the figures
        that came with the weights are damaged or belong to others."""
        return calibration_of(self._weights.training, self.fingerprint)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the loaded weights and their configuration: which network made a picture."""
        return self._weights.fingerprint

    def restore(
        self,
        photo: Image,
        *,
        detector: Detector | str | None = None,
        faces: Sequence[Face] | None = None,
        centre: bool = False,
        scale: int = 1,
        strength: float | Sequence[float] = 1.0,
        background: Background = "lanczos",
        mask: Mask = "head",
        progress: Progress | None = None,
    ) -> Restoration:
        """Restore every face of a photograph, and put each back where it was.

        Args:
            photo: (H, W, 3) uint8 RGB. Not modified.
            detector: what looks for faces: an object, or a name as ``load_detector`` takes it.
            faces: restore these instead of looking: some of those that ``find_faces`` returned.
            centre: take the photo's centred square for one face instead of looking.
            scale: how much larger the result is: 1, 2 or 4. At 1, all but the faces stays bit for bit.
            strength: 0 (untouched) to 1 (restored), for all faces or one a face; ``blend`` of the result changes it.
            background: what enlarges the rest at scale 2 and 4: "lanczos", or "network": this network, in tiles.
            mask: what of a face is restored: "head" and what is close to it, or, by "parsing", its skin, features and
                hair alone. That takes facexlib's ParseNet (85 MB, fetched once) and seconds a face.
            progress: called after each face with the number of those that are done and of all.

        Raises:
            NoFaceError: no face was found.
            InputError: not such an image, an option outside its range, or more than 100 megapixels would come out.
            DownloadError: what parses faces cannot be had.
        """
        if mask not in MASKS:
            raise InputError(f"A face is masked by {' or '.join(MASKS)}, not {mask!r}.")
        if centre:
            detector = CentredSquare()
        elif detector is None or isinstance(detector, str):
            detector = load_detector(detector) if faces is None else None
        return restore_photo(
            photo,
            self.restore_batch,
            detector,
            faces=faces,
            scale=scale,
            strength=strength,
            background=background,
            parse=functools.partial(face_parts, parser=load_parser()) if mask == "parsing" else None,
            progress=progress,
        )

    @property
    def info(self) -> dict[str, Any]:
        """What is loaded: name, licence, trained ranges, source, the Hub's commit, what to know about that choice,
        parameters, device, precision, network, training facts."""
        facts = self._weights.training
        told = {key: facts[key] for key in ("name", "license", "ranges")}
        return {
            **told,
            "source": self._weights.source,
            "revision": self._weights.commit,
            "notice": self._weights.notice,
            "parameters": parameter_count(self._weights.model),
            "device": str(self._device),
            "precision": self._precision,
            "torch": torch.__version__,
            "network": self._weights.model.config,
            "training": {key: value for key, value in facts.items() if key not in (*told, KEY)},
        }

    def out_of_range(self, settings: Degradation) -> list[str]:
        """Settings that the network never saw in training, one plain sentence each; empty when all were seen."""
        ranges, result = self._weights.training["ranges"], []
        for name in ("motion_length", "blur_sigma", "blur_sigma_y", "downsample", "noise"):
            trained, value, limit = name.removesuffix("_y"), getattr(settings, name) or 0, LIMITS[name]
            low, high = ranges.get(trained, (LIMITS[trained].off, LIMITS[trained].off))
            if value > high or (name == "downsample" and value < min(low, 1)):
                trained_up_to = f"(up to {high:g} {limit.unit})"
                result.append(f"{limit.label} {value:g} {limit.unit} is outside the trained range {trained_up_to}.")
        low, _ = ranges.get("jpeg", (101, 101))
        if settings.jpeg is not None and settings.jpeg < low:
            result.append(f"JPEG quality {settings.jpeg} is outside the trained range (from {low:g}).")
        return result


def describe(result: Restoration) -> dict[str, Any]:
    """A result as JSON holds it: ``faces``, in the result's order, measured against their input, since the truth is not
    known, and ``seconds``. A PSNR is null where a face was not changed: JSON has no infinity."""
    faces = [
        {
            "box": [round(value, 2) for value in face.face.box],
            "landmarks": face.face.landmarks.round(2).tolist(),
            "score": round(face.face.score, 4),
            "psnr_to_input_db": change if math.isfinite(change := psnr(face.restored_crop, face.input_crop)) else None,
            "ssim_to_input": ssim(face.restored_crop, face.input_crop),
        }
        for face in result.faces
    ]
    return {"faces": faces, "seconds": {step: round(value, 4) for step, value in result.seconds.items()}}


def select_device(name: str) -> torch.device:
    """The device that a person named: "cpu", "cuda", "cuda:1", "mps" …, or "auto" for the first GPU, else the CPU; on
    ZeroGPU hardware the CPU, because there a GPU is lent to other processes (``Restorer.use_lent_gpu``). InputError:
    this machine does not have it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() and not _lends_gpu() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # "meta" makes tensors too, but they hold nothing
    except (RuntimeError, AssertionError) as error:
        raise InputError(f'Device {name!r} is not available here; use "cpu" or "auto".') from error
    return device


def _lends_gpu() -> bool:
    """Is this a Space with ZeroGPU hardware?"""
    return os.environ.get("SPACES_ZERO_GPU") == "true"


def select_precision(name: str, device: torch.device) -> Literal["fp32", "bf16"]:
    """The arithmetic of the convolutions; everything between them is float32, and so is what comes out: "fp32"; "bf16",
    products of bfloat16, summed in float32; or "auto", the latter where a CPU has matrix units for it (Intel AMX) and
    so is twice as fast or more. InputError: another name."""
    if name not in get_args(Precision):
        raise InputError(f"The precision must be one of {', '.join(get_args(Precision))}, not {name!r}.")
    features: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # an older torch does not tell
    faster = device.type == "cpu" and features.get("amx_bf16")
    return "bf16" if name == "bf16" or (name == "auto" and faster) else "fp32"
