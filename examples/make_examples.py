"""Make the two example faces: two public-domain portraits that pip installs anyway, aligned to the 512 template.

    python -m examples.make_examples

writes ``eileen_collins.png`` and ``grace_hopper.png`` beside this file and prints how far each face was enlarged. It
needs no network, and a test checks that it still makes what is committed. The app degrades them as it runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from restoration.faces import align_face, enlargement
from restoration.images import Image, read_image, write_png

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Portrait:
    """A photo and where its face is.

    landmarks: (x, y) in photo pixels, whole numbers at pixel centres: the centres of the two irises, the tip of the
    nose, the two mouth corners, the picture's left before its right. Measured by eye at 16 to 26 times enlargement,
    good to about a pixel.
    """

    name: str
    credit: str
    read: Callable[[], Image]
    landmarks: tuple[tuple[float, float], ...]


def _read_collins() -> Image:
    import skimage.data  # here: the app reads the landmarks below and needs no photo

    return read_image(skimage.data.astronaut())  # ships inside scikit-image's wheel


def _read_hopper() -> Image:
    from matplotlib.cbook import get_sample_data  # here: as above

    return read_image(get_sample_data("grace_hopper.jpg", asfileobj=False))


PORTRAITS = (
    Portrait(
        name="eileen_collins",
        credit="Eileen Collins, NASA, public domain (scikit-image: data.astronaut)",
        read=_read_collins,
        landmarks=((203.3, 101.0), (246.3, 102.8), (224.3, 127.0), (202.3, 139.0), (244.7, 140.0)),
    ),
    Portrait(
        name="grace_hopper",
        credit="Grace Hopper, US Navy, public domain (matplotlib: sample_data/grace_hopper.jpg)",
        read=_read_hopper,
        landmarks=((221.5, 189.3), (305.2, 186.8), (267.5, 241.0), (228.0, 281.0), (308.0, 279.5)),
    ),
)


def make_face(portrait: Portrait) -> Image:
    """(512, 512, 3) uint8 RGB, aligned to ``restoration.faces.FACE_TEMPLATE``."""
    return align_face(portrait.read(), portrait.landmarks)


def main() -> None:
    for portrait in PORTRAITS:
        path = FOLDER / f"{portrait.name}.png"
        write_png(make_face(portrait), path)
        print(f"{path.name}: enlarged {enlargement(portrait.landmarks):.2f} times; {portrait.credit}")


if __name__ == "__main__":
    main()
