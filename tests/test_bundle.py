"""What a visitor takes home: the pictures bit for bit, the numbers, and code that prints them again."""

import csv
import io
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tiny import EXAMPLES

from restoration import Degradation, Restorer, degrade_image, read_image
from restoration.lab import METHODS, Row, compare, read_face
from restoration.lab.bundle import comparison_bundle, comparison_csv, grid_bundle, poster, wipe
from restoration.lab.grid import Axis, Point, SeverityGrid, run_grid
from restoration.lab.recipe import OWN_FACE, Recipe, picture_id, to_python
from restoration.measure.identity import load_identity

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


def recipe_of(view: str, restorer: Restorer, **what: object) -> Recipe:
    common = {"face": "eileen_collins", "picture": picture_id(FACE), "seed": 3, "model": restorer.fingerprint}
    return Recipe(**{"view": view, **common, **what})


def opened(packed: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(packed))


@pytest.fixture(scope="module")
def comparison(restorer: Restorer) -> tuple[Recipe, list[Row], zipfile.ZipFile]:
    recipe = recipe_of("compare", restorer, cases=CASES)
    rows = list(compare(FACE, CASES, 3, restorer, load_identity()))
    return recipe, rows, opened(comparison_bundle(recipe, FACE, rows))


@pytest.fixture(scope="module")
def swept(restorer: Restorer) -> tuple[Recipe, list[Point], zipfile.ZipFile]:
    recipe = recipe_of("sweep", restorer, plan=PLAN)
    points = list(run_grid(FACE, PLAN, 3, restorer, load_identity()))
    return recipe, points, opened(grid_bundle(recipe, FACE, points))


def picture(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with PIL.Image.open(io.BytesIO(archive.read(name))) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def printed(script: str | bytes, folder: Path) -> str:
    """What a script prints when a person runs it from the repository's root."""
    path = folder / "recipe.py"
    path.write_bytes(script.encode() if isinstance(script, str) else script)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run(
        [sys.executable, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr
    assert "differ" not in run.stderr
    return run.stdout


def close(text: str, expected: str) -> None:
    """Two tables with the same words, and numbers that differ by a unit of the last shown decimal at most."""
    for line, other in zip(csv.reader(io.StringIO(text)), csv.reader(io.StringIO(expected)), strict=True):
        for value, wanted in zip(line, other, strict=True):
            try:
                assert float(value) == pytest.approx(float(wanted), abs=2e-3)
            except ValueError:
                assert value == wanted


def test_the_pictures_of_a_comparison_are_lossless(comparison: tuple[Recipe, list[Row], zipfile.ZipFile]) -> None:
    _, rows, archive = comparison
    np.testing.assert_array_equal(picture(archive, "clean.png"), FACE)
    degraded = degrade_image(FACE, CASES["Old phone"], 3)
    np.testing.assert_array_equal(picture(archive, "1_old_phone/degraded.png"), degraded)
    for method in METHODS:
        name = f"1_old_phone/{method.lower().replace(' ', '_').replace('-', '_')}.png"
        np.testing.assert_array_equal(picture(archive, name), rows[0].cells[method].picture)
    assert {name for name in archive.namelist() if "/" not in name} == {
        "clean.png", "recipe.json", "recipe.py", "metrics.csv", "plot.png", "plot.svg",
    }  # fmt: skip


def test_what_is_shared_holds_the_pictures_as_they_are_and_goes_from_one_to_the_other() -> None:
    other = np.ascontiguousarray(FACE[::-1])
    sheet = read_image(
        poster({"Before": FACE, "After": other}, ["Closer", "PSNR 20 → 30 dB"], "https://x/#" + "a" * 400)
    )
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


def test_recipe_and_plots_are_in_the_zip(
    comparison: tuple[Recipe, list[Row], zipfile.ZipFile], swept: tuple[Recipe, list[Point], zipfile.ZipFile]
) -> None:
    for recipe, _, archive in (comparison, swept):
        assert Recipe.from_json(archive.read("recipe.json").decode()) == recipe
        assert picture(archive, "plot.png").shape[0] > 300
        drawn = ElementTree.fromstring(archive.read("plot.svg"))
        assert drawn.tag.endswith("svg")
    assert "Old phone" in comparison[2].read("plot.svg").decode()
    assert "Motion blur length" in swept[2].read("plot.svg").decode()


def test_what_a_stopped_sweep_measured_is_taken_home(
    swept: tuple[Recipe, list[Point], zipfile.ZipFile], tmp_path: Path
) -> None:
    recipe, points, whole = swept
    archive = opened(grid_bundle(recipe, FACE, points[:3]))
    table = archive.read("metrics.csv").decode()
    assert table == "".join(whole.read("metrics.csv").decode().splitlines(keepends=True)[:4])
    close(printed(archive.read("recipe.py"), tmp_path), table)
    assert Recipe.from_json(archive.read("recipe.json").decode()) == recipe
    gone, last = (name for name in whole.namelist() if "noise_20_motion_length_9.5/" in name)
    assert {*whole.namelist()} - {*archive.namelist()} == {gone, last}
    np.testing.assert_array_equal(picture(whole, "noise_20_motion_length_9.5/restored.png"), points[3].restored)
    words = "stopped after 3 of 4 points"
    for name in ("missing.txt", "plot.svg"):
        assert words in archive.read(name).decode()
    assert words not in whole.read("plot.svg").decode()


def test_the_code_of_a_comparison_prints_its_numbers_for_an_own_picture_too(restorer: Restorer, tmp_path: Path) -> None:
    path = tmp_path / OWN_FACE
    PIL.Image.fromarray(FACE[40:440, 20:480]).save(path)
    face, _ = read_face(str(path))
    cases = {"Custom": Degradation(noise=15), 'A "quoted"\n{label}, é': Degradation()}
    code = to_python(recipe_of("compare", restorer, face="", picture=picture_id(face), seed=1, cases=cases))
    assert code.count(OWN_FACE) == 1
    table = comparison_csv(compare(face, cases, 1, restorer, load_identity()))
    close(printed(code.replace(OWN_FACE, str(path)), tmp_path), table)
    curve = to_python(recipe_of("sweep", restorer, plan=SeverityGrid(Degradation(), Axis("jpeg", (10, 50, 90)))))
    compile(curve, "recipe.py", "exec")
    assert "y=None" in curve
