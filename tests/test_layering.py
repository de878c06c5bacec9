"""Imports point one way, and training needs neither the page nor the face detector."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The README's table; a file may import only files of a lower layer.
LAYERS = [
    {
        "restoration.page.i18n",
        "restoration.page.last_page",
        "restoration.images",
        "restoration.jpeg",
        "restoration.blur",
        "restoration.resampling",
    },
    {
        "restoration.page.early_page",
        "restoration.degradations",
        "restoration.model",
        "restoration.alignment",
        "restoration.download",
        "restoration.embedding",
        "restoration.overlap",
        "restoration.retinaface",
        "restoration.recogniser",
        "restoration.verdict",
        "restoration.uncertainty",
        "restoration.metrics",
        "restoration.baselines",
    },
    {
        "restoration.winograd",
        "restoration.protocols",
        "restoration.hub.checkpoint",
        "restoration.arcface",
        "restoration.regions",
        "restoration.faces",
        "restoration.small_detector",
        "restoration.parsing",
        "restoration.pasting",
        "restoration.photo_file",
    },
    {"restoration.identity", "restoration.hub.client", "restoration.detectors", "restoration.jobs"},
    {"restoration.hub.pull", "restoration.hub.folders", "restoration.detection"},
    {"restoration.hub.card"},
    {"restoration.hub.sources", "restoration.hub.push", "restoration.photo"},
    {"restoration.hub.updates", "restoration.hub.space"},
    {"restoration.hub.commands"},
    {"restoration.hub"},
    {"restoration.calibration"},
    {"restoration.pipeline"},
    {"restoration.faithfulness"},
    {"restoration.experiment", "restoration.comparison", "restoration.sweep"},
    {"restoration.commands", "restoration.recipe", "restoration.tables", "restoration.plots", "restoration.estimate"},
    {"restoration.script"},
    {"restoration.bundle"},
    {"restoration"},
    {
        "restoration.benchmark",
        "restoration.page",
        "restoration.page.assets",
        "restoration.page.words",
        "restoration.page.cache",
        "restoration.page.gradio_import",
    },
    {"restoration.page.examples", "restoration.page.facts", "restoration.page.settings"},
    {"restoration.page.maps", "restoration.page.site"},
    {"restoration.page.panel"},
    {
        "restoration.page.parts",
        "restoration.page.photo_values",
        "restoration.page.theme",
        "restoration.page.links",
        "restoration.page.lab_values",
    },
    {"restoration.page.examine", "restoration.page.pack", "restoration.page.photo_pack", "restoration.page.guess"},
    {"restoration.page.estimate_panel"},
    {
        "restoration.page.test_tab",
        "restoration.page.photo_tab",
        "restoration.page.compare_tab",
        "restoration.page.endpoints",
    },
    {"restoration.page.link_event", "restoration.page.lab_endpoints"},
    {"restoration.page.layout"},
    {"restoration.__main__", "train.face_sources"},
    {"train.precision"},
    {
        "train.compiled",
        "train.data",
        "train.losses",
        "train.network_options",
        "train.optimizer",
        "train.summary",
        "train.scenes",
        "train.teacher",
    },
    {"train.loop", "train.detector_loop", "train.curves", "train.groups", "train.verification", "train.identity"},
    {"train.severity", "train.estimator"},
    {"train.evaluate", "train.calibrate", "train.detector"},
    {"train.run", "train.throughput", "train.agreement"},
    {"train.sweep"},
    {"examples", "examples.make_examples", "examples.make_screenshots"},
    {"examples.measure_page", "examples.make_first_page"},
    {"examples.make_photos", "examples.make_opening"},
    {"app"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FORBIDDEN = {
    "restoration.page": {"train", "app", "examples"},
    "restoration": {"gradio", "train", "app", "examples"},
    "train": {"gradio", "facexlib", "app"},
    "examples": {"gradio", "train", "app"},
    "app": {"gradio", "train"},
}


def modules() -> dict[str, Path]:
    folders = ("restoration", "train", "examples")
    paths = [ROOT / "app.py", *(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))]
    names = {}
    for path in paths:
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("name", [name for name in modules() if name != "train"])
def test_imports_point_down(name: str) -> None:
    assert name in LEVEL, f"{name} has no layer: add it here and to the README's file map"
    for other in imported(modules()[name]) & set(LEVEL):
        if other == "restoration" and name.startswith("restoration.") and LEVEL[name] < LEVEL["restoration"]:
            continue  # "import restoration.x" names the package too
        assert LEVEL[other] < LEVEL[name], f"{name} imports {other}, which is not below it"


@pytest.mark.parametrize("name", modules())
def test_packages_keep_to_themselves(name: str) -> None:
    top = {module.split(".")[0] for module in imported(modules()[name])}
    place = "restoration.page" if name.startswith("restoration.page") else name.split(".")[0]
    assert not top & FORBIDDEN[place]
