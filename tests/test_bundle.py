"""What a visitor takes home: the pictures bit for bit, the numbers, and code that prints them again."""

import io
import re
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tiny import EXAMPLES

from restoration import Degradation, Restorer, degrade_image, read_image
from restoration.images import Image
from restoration.lab import METHODS, Point, Row, compare, read_face, run_grid
from restoration.lab.bundle import comparison_bundle, grid_bundle, poster, wipe
from restoration.lab.recipe import OWN_FACE, Axis, Recipe, SeverityGrid, picture_id
from restoration.measure.identity import load_identity

Compared, Swept = tuple[Recipe, list[Row], zipfile.ZipFile], tuple[Recipe, list[Point], zipfile.ZipFile]
ROOT = Path(__file__).parents[1]
FACE = read_image(EXAMPLES / "eileen_collins.png")
CASES = {
    "Old phone": Degradation(blur_sigma=1.2, downsample=4, noise=10, jpeg=50),
    'A "quoted"\n{label}, é': Degradation(),
}
PLAN = SeverityGrid(Degradation(jpeg=70), Axis("noise", (0, 20)), Axis("motion_length", (0, 9.5)))


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer.from_pretrained()


def recipe_of(view: str, restorer: Restorer, face: Image = FACE, **what: object) -> Recipe:
    name = "eileen_collins" if face is FACE else ""
    common = {"face": name, "picture": picture_id(face), "seed": 3, "model": restorer.fingerprint}
    return Recipe(**{"view": view, **common, **what})


def opened(packed: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(packed))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A visitor's picture."""
    path = tmp_path_factory.mktemp("own") / OWN_FACE
    PIL.Image.fromarray(FACE[40:440, 20:480]).save(path)
    return path


@pytest.fixture(scope="module")
def comparison(own: Path, restorer: Restorer) -> Compared:
    face, _ = read_face(str(own))
    recipe = recipe_of("compare", restorer, face, cases=CASES)
    rows = list(compare(face, CASES, 3, restorer, load_identity()))
    return recipe, rows, opened(comparison_bundle(recipe, face, rows))


@pytest.fixture(scope="module")
def swept(restorer: Restorer) -> Swept:
    recipe = recipe_of("sweep", restorer, plan=PLAN)
    points = list(run_grid(FACE, PLAN, 3, restorer, load_identity()))
    return recipe, points, opened(grid_bundle(recipe, FACE, points))


def picture(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with PIL.Image.open(io.BytesIO(archive.read(name))) as image:
        assert image.format == "PNG"
        return np.asarray(image)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """What a script prints that is run from the repository's root; it warns of nothing."""

    def run(code: str) -> str:
        monkeypatch.chdir(ROOT)
        exec(code, {})
        told = capsys.readouterr()
        assert told.err == ""
        return told.out

    return run


def close(text: str, expected: str) -> None:
    """Two tables with the same words, and numbers that differ by a unit of the last shown decimal at most."""
    for value, wanted in zip(*(re.split("[,\n]", table) for table in (text, expected)), strict=True):
        assert value == wanted or float(value) == pytest.approx(float(wanted), abs=2e-3)


def test_the_pictures_of_a_comparison_are_lossless(own: Path, comparison: Compared) -> None:
    _, rows, archive = comparison
    face, _ = read_face(str(own))
    np.testing.assert_array_equal(picture(archive, "clean.png"), face)
    degraded = degrade_image(face, CASES["Old phone"], 3)
    np.testing.assert_array_equal(picture(archive, "1_old_phone/degraded.png"), degraded)
    for method in METHODS:
        name = f"1_old_phone/{method.lower().replace(' ', '_').replace('-', '_')}.png"
        np.testing.assert_array_equal(picture(archive, name), rows[0].cells[method].picture)
    assert {name for name in archive.namelist() if "/" not in name} == {
        "clean.png", "recipe.json", "recipe.py", "metrics.csv", "plot.png", "plot.svg",
    }  # fmt: skip


def test_what_is_shared_holds_the_pictures_as_they_are_and_goes_from_one_to_the_other() -> None:
    other = np.ascontiguousarray(FACE[::-1])
    words = (["Closer", "PSNR 20 → 30 dB"], "https://x/#" + "a" * 400)
    sheet = read_image(poster({"Before": FACE, "After": other}, *words))
    for picture in (FACE, other):
        rows = np.flatnonzero((sheet[:, :, None] == picture[0, 0]).all(axis=(2, 3)).any(axis=1))
        places = [(y, x) for y in rows for x in np.flatnonzero((sheet[y] == picture[0, 0]).all(axis=1))]
        assert any(np.array_equal(sheet[y : y + 512, x : x + 512], picture) for y, x in places)
    with PIL.Image.open(io.BytesIO(wipe(FACE, other))) as film:
        assert film.info["loop"] == 0
        for frame, face in ((0, FACE), (24, other)):  # the ends; lossy, and a label in a corner
            film.seek(frame)
            shown = np.asarray(film.convert("RGB"))[60:].astype(int)
            assert np.abs(shown - face[60:]).mean() < 6 < np.abs(shown - (other if face is FACE else FACE)[60:]).mean()


def test_recipe_and_plots_are_in_the_zip(comparison: Compared, swept: Swept, restorer: Restorer) -> None:
    curve = recipe_of("sweep", restorer, plan=SeverityGrid(Degradation(), Axis("noise", (0, 20))))
    line = curve, [], opened(grid_bundle(curve, FACE, swept[1][:2]))
    for (recipe, _, archive), words in (
        (comparison, "Old phone"), (swept, "Motion blur length"), (line, "Trained range"),
    ):  # fmt: skip
        assert Recipe.from_json(archive.read("recipe.json").decode()) == recipe
        assert picture(archive, "plot.png").shape[0] > 300
        assert ElementTree.fromstring(archive.read("plot.svg")).tag.endswith("svg")
        assert words in archive.read("plot.svg").decode()
    compile(line[2].read("recipe.py"), "recipe.py", "exec")


def test_what_a_stopped_sweep_measured_is_taken_home_with_code_that_prints_it(swept: Swept, printed) -> None:
    recipe, points, whole = swept
    archive = opened(grid_bundle(recipe, FACE, points[:1]))
    table = archive.read("metrics.csv").decode()
    assert table == "".join(whole.read("metrics.csv").decode().splitlines(keepends=True)[:2])
    close(printed(archive.read("recipe.py").decode()), table)
    assert Recipe.from_json(archive.read("recipe.json").decode()) == recipe
    gone = {*whole.namelist()} - {*archive.namelist()}
    assert len(gone) == 6
    assert not any(name.startswith("noise_0_motion_length_0/") for name in gone)
    np.testing.assert_array_equal(picture(whole, "noise_20_motion_length_9.5/restored.png"), points[3].restored)
    words = "stopped after 1 of 4 points"
    for name in ("missing.txt", "plot.svg"):
        assert words in archive.read(name).decode()
    assert words not in whole.read("plot.svg").decode()


def test_code_of_a_comparison_prints_its_numbers_for_an_own_picture(own: Path, comparison: Compared, printed) -> None:
    archive = comparison[2]
    code = archive.read("recipe.py").decode()
    assert code.count(OWN_FACE) == 1
    close(printed(code.replace(OWN_FACE, str(own))), archive.read("metrics.csv").decode())
