"""The pictures of ``early_page.html``: the first example, degraded and restored: ``python -m examples.make_opening``.

To be repeated when the default weights change; a test compares what is committed with what they do.
"""

from __future__ import annotations

import PIL.Image

from examples.make_examples import FOLDER
from restoration import Restorer
from restoration.images import Image
from restoration.lab.experiment import DEGRADED, RESTORED, run_experiment
from restoration.page.early_page import PICTURES
from restoration.page.examples import EXAMPLES
from restoration.page.settings import fill, from_controls


def make_opening() -> dict[str, Image]:
    """Name of ``PICTURES`` to the (512, 512, 3) uint8 RGB picture that it shows."""
    face, preset = EXAMPLES[0]
    settings = from_controls(fill(preset, 1)[0])
    made = run_experiment(str(FOLDER / f"{face}.png"), settings, 1, Restorer.from_pretrained(), None).pictures
    return {"degraded": made[DEGRADED], "restored": made[RESTORED]}


def main() -> None:
    """Write them as JPEGs, which a first impression is worth."""
    for name, picture in make_opening().items():
        PIL.Image.fromarray(picture).save(PICTURES[name], quality=90)
        print(PICTURES[name])


if __name__ == "__main__":
    main()
