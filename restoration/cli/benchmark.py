"""The speed of the network here, beside Lanczos and non-local means, interleaved in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from restoration.degrade import Degradation, degrade_image
from restoration.faces import FACE_SIZE
from restoration.images import Image, InputError
from restoration.measure.identity import load_identity
from restoration.measure.metrics import lanczos, non_local_means
from restoration.network import MAX_SIZE, MIN_SIZE
from restoration.restorer import Restorer


def benchmark(
    restorer: Restorer, *, size: int = 512, rounds: int = 7, threads: int | None = None
) -> dict[str, dict[str, float]]:
    """Time one picture through each method, in turn, so that a drifting machine slows all of them alike.

    Args:
        size: side of the picture, pixels, [64, 2048].
        rounds: timed passes over all methods, after one that is not counted.
        threads: of torch; None leaves its setting. OpenCV uses its own.

    Returns:
        method -> {"seconds": median, "fastest": …, "slowest": …, "ratio": median over rounds of this method's
        time divided by the network's in the same round}.

    Raises:
        InputError: a size outside its bounds, no round, or no thread.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise InputError(f"The benchmark takes a size from {MIN_SIZE} to {MAX_SIZE} pixels, not {size}.")
    if rounds < 1 or (threads is not None and not 1 <= threads <= 1024):
        raise InputError("The benchmark needs at least one round, and 1 to 1024 threads.")
    if threads is not None:
        torch.set_num_threads(threads)
    picture: Image = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    picture = degrade_image(picture, Degradation(blur_sigma=4, noise=5), seed=0)
    identity = load_identity()
    face: Image = np.random.default_rng(1).integers(0, 256, (FACE_SIZE, FACE_SIZE, 3), np.uint8)
    methods: dict[str, Callable[[Image], object]] = {
        "restoration": restorer.restore_aligned,
        "Lanczos (÷4, ×4)": lambda image: lanczos(image, 4),
        "non-local means": non_local_means,
        f"identity of one face ({identity.name})": lambda _: identity.embed(face),
    }
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds + 1):
        for name, method in methods.items():
            begun = time.perf_counter()
            method(picture)
            times[name].append(time.perf_counter() - begun)
    own, results = times["restoration"], {}
    for name, (_, *values) in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, own[1:], strict=True))
        seconds = {"seconds": statistics.median(values), "fastest": min(values), "slowest": max(values)}
        results[name] = {**seconds, "ratio": ratio}
    return results
