"""One face, several degradations, several methods: what each takes, and what gives it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from restoration.degrade import Degradation, degrade_image, point_spread
from restoration.images import Image, InputError
from restoration.measure.identity import IdentityNetwork
from restoration.measure.metrics import Scores, lanczos, non_local_means, score, wiener
from restoration.restorer import Restorer

NETWORK, NON_LOCAL_MEANS, LANCZOS, WIENER = "Restored", "Non-local means", "Lanczos", "Wiener"
METHODS = (NETWORK, NON_LOCAL_MEANS, LANCZOS, WIENER)
MAX_CASES = 12
ABOUT = {
    NETWORK: "The network. It sees the degraded face alone.",
    NON_LOCAL_MEANS: "Averages pixels whose surroundings look alike; estimates the noise itself.",
    LANCZOS: "Averages to the true resolution and enlarges again; is told the downsampling factor.",
    WIENER: "Undoes the exact blur, which it is told with the noise level: what nobody knows of a real photo.",
}


@dataclass(frozen=True)
class Gain:
    """What a method changed, method minus degraded input: dB, SSIM, degrees (a smaller angle is better).

    None where identity was not measured; inf or -inf where one of the two pictures equals the truth.
    """

    psnr: float
    ssim: float
    identity_angle: float | None

    @property
    def worse(self) -> tuple[str, ...]:
        """The metrics by which the method's picture is worse than its input, by name; empty when none.

        A change counts from half a unit of the last digit that is usually shown: 0.01 dB, 0.001, 0.1°.
        """
        falls = {"PSNR": -self.psnr / 0.01, "SSIM": -self.ssim / 0.001, "identity": (self.identity_angle or 0) / 0.1}
        return tuple(name for name, fall in falls.items() if fall >= 0.5)


@dataclass(frozen=True)
class Cell:
    """What one method made of one degraded face: a (512, 512, 3) uint8 RGB picture and its scores."""

    picture: Image
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class Row:
    """One degradation of the face, and what every method made of it.

    cells: a method of ``METHODS`` to its result; None where there is nothing for it to undo (Lanczos without
    downsampling, Wiener without blur). warnings: settings outside the network's trained range, plain text.
    """

    label: str
    settings: Degradation
    degraded: Cell
    cells: dict[str, Cell | None]
    warnings: list[str]

    def gain(self, method: str) -> Gain | None:
        """What a method changed; None where it had nothing to undo."""
        cell = self.cells[method]
        return None if cell is None else gain(self.degraded.scores, cell.scores)


def gain(before: Scores, after: Scores) -> Gain:
    """``after`` minus ``before``, metric by metric; two pictures that both equal the truth differ by 0."""
    both = before.identity_angle is not None and after.identity_angle is not None
    return Gain(
        psnr=0.0 if before.psnr == after.psnr else after.psnr - before.psnr,
        ssim=after.ssim - before.ssim,
        identity_angle=(after.identity_angle or 0.0) - (before.identity_angle or 0.0) if both else None,
    )


def compare(
    face: Image,
    cases: Mapping[str, Degradation],
    seed: int,
    restorer: Restorer,
    identity: IdentityNetwork | None = None,
) -> Iterator[Row]:
    """Degrade a face in several ways and run every method on each, a row at a time, as they are done.

    Args:
        face: (512, 512, 3) uint8 RGB, clean. Not modified.
        cases: label to settings, 1 to ``MAX_CASES``.
        seed: of the noise, the same for every case, so that one can be looked at without the others.
        restorer: the network, which sees degraded faces alone.
        identity: measures the identity angle; None leaves it unmeasured.

    Yields:
        A ``Row`` a case, in their order.

    Raises:
        InputError: no case or too many, or a face that cannot be used; before the first row.
    """
    if not 1 <= len(cases) <= MAX_CASES:
        raise InputError(f"Choose 1 to {MAX_CASES} degradations to compare, not {len(cases)}.")
    for label, settings in cases.items():
        picture = degrade_image(face, settings, seed)
        made = {NETWORK: restorer.restore_aligned(picture)} | run_baselines(picture, settings)
        yield Row(
            label=label,
            settings=settings,
            degraded=Cell(picture, score(picture, face, identity)),
            cells={name: None if image is None else Cell(image, score(image, face, identity))
                   for name, image in made.items()},
            warnings=restorer.out_of_range(settings),
        )  # fmt: skip


def run_baselines(image: Image, settings: Degradation) -> dict[str, Image | None]:
    """What each method but the network makes of a degraded face; None where there is nothing for it to undo."""
    blurred = settings.motion_length > 1 or max(settings.blur_sigmas) > 0
    return {
        NON_LOCAL_MEANS: non_local_means(image),
        LANCZOS: lanczos(image, settings.downsample) if settings.downsample > 1 else None,
        WIENER: wiener(image, point_spread(settings).double().numpy(), settings.noise) if blurred else None,
    }
