"""The page as it opens, for the first moment of a first start: ``python -m examples.make_first_page``.

To be repeated after any change to ``app.py``, ``restoration/`` or ``examples/``, or with another release of Gradio; a
test says when. Takes as long as a start of the app.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.make_screenshots import started_app
from restoration.page.last_page import ABOUT, ELSEWHERE, FIRST, SETTINGS

LIMIT = 120  # seconds


def main() -> None:
    """Start the app, wait until it has kept its page, and take that."""
    shutil.rmtree(FIRST, ignore_errors=True)
    for name in [name for name in os.environ if name.startswith(SETTINGS) and name not in ELSEWHERE]:
        del os.environ[name]  # what nobody sets is what most see
    with TemporaryDirectory() as kept:
        os.environ["RESTORATION_CACHE"] = kept
        begun = time.monotonic()
        with started_app():
            while not (found := list(Path(kept).glob(f"*/{ABOUT}"))):
                if time.monotonic() - begun > LIMIT:
                    raise SystemExit(f"The app has not kept its page within {LIMIT} s. Start it by hand: why?")
                time.sleep(0.1)
        shutil.copytree(found[0].parent, FIRST)
    print(FIRST)


if __name__ == "__main__":
    main()
