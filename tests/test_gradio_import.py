"""What the page waits for before it answers, and what it does not."""

import inspect
import subprocess
import sys
from pathlib import Path

import gradio
import pytest

from restoration.page.gradio_import import quickly

ROOT = Path(__file__).parents[1]
# Each takes from 0.2 to 3 s to import. The compiler of torch comes with torchvision.
NOT_BEFORE_IT_IS_NEEDED = {
    "torchvision", "torch._dynamo", "sympy", "skimage", "scipy", "matplotlib", "accelerate", "facexlib",
}  # fmt: skip
BUILD = """
import sys, app
faces = {face: str(app.HERE / "examples" / f"{face}.png") for face in app.FACES}
app.claim_folder()
with app.quickly():
    from restoration.page.layout import build_page
build_page(app.load_site(faces, ""), 3600)
print(*sys.modules)
"""


def test_the_page_is_built_without_what_is_slow_to_import() -> None:
    built = subprocess.run([sys.executable, "-c", BUILD], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    modules = set(built.stdout.split())
    assert {"gradio.blocks", "torch", "restoration.page.compare_tab"} <= modules
    assert modules & NOT_BEFORE_IT_IS_NEEDED == set()


def test_no_stub_of_a_component_is_written_inside_the_block_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import gradio\nclass {0}(gradio.HTML):\n    EVENTS = []\n"
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("First", "Second"):
        (tmp_path / f"{name.lower()}_part.py").write_text(source.format(name))
    find = inspect.getfile
    with quickly():
        __import__("first_part")
        assert inspect.getfile(Path) == find(Path)
    assert inspect.getfile is find
    __import__("second_part")
    assert [path.name for path in tmp_path.glob("*.pyi")] == ["second_part.pyi"]  # what Gradio does by itself
    with pytest.raises(ZeroDivisionError), quickly():
        raise ZeroDivisionError
    assert inspect.getfile(gradio.HTML) == find(gradio.HTML)
