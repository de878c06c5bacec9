"""The page: ``python app.py`` starts it.

Nothing is kept between calls, so two visitors cannot meet. User errors (``InputError``) are shown in words; programming
errors are raised.
"""

# ruff: noqa: E402 - what a visitor sees first stands before imports that take seconds
from __future__ import annotations

import gc
import sys

from restoration.page.cache import claim_folder, delete_when_ended, keep_clean
from restoration.page.early_page import EarlyPage
from restoration.page.last_page import is_kept, recall, remember

early = last = claimed = None

if __name__ == "__main__":
    claimed = claim_folder()
    delete_when_ended(claimed)
    last = recall(claimed)
    early = EarlyPage(last)
    sys.setswitchinterval(2e-4)  # seconds: the networks take turns with imports, a thousand times
    gc.disable()  # until the page is built: what is imported stays, and looking for garbage in it takes half a second

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from examples.make_examples import PORTRAITS
from restoration.faces.alignment import enlargement
from restoration.images import InputError
from restoration.page.assets import CSS, LAB_CSS, PHOTO_CSS
from restoration.page.examples import FACES, enlargement_note
from restoration.page.gradio_import import quickly
from restoration.page.site import load_site

HERE = Path(__file__).parent
MAX_UPLOAD = "30mb"
FILES_EXPIRE = 3600  # seconds; older files are deleted as often, so after two hours at most
EXAMPLES_HTML = enlargement_note({portrait.name: enlargement(portrait.landmarks) for portrait in PORTRAITS})


def main() -> None:
    """Load everything once, then serve. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT are Gradio's own.

    RESTORATION_MODEL names other weights than the embedded ones: a folder, or owner/name[@revision] on the Hub.
    """
    folder = claimed or claim_folder()
    faces = {face: str(HERE / "examples" / f"{face}.png") for face in FACES}
    with ThreadPoolExecutor(max_workers=1) as aside:
        loading = aside.submit(load_site, faces, EXAMPLES_HTML)  # the networks run while gradio is imported
        with quickly():  # here and not above: the folder had to be claimed first
            from restoration.page.layout import build_page
            from restoration.page.theme import THEME
        try:
            site = loading.result()
        except InputError as error:
            sys.exit(f"app.py: {error}")
    page = build_page(site, FILES_EXPIRE)
    if last:
        page.app_id = last.app_id
    site.restorer.use_lent_gpu()
    keep_clean(folder, FILES_EXPIRE)
    gc.freeze()  # nor later
    gc.enable()
    sys.setswitchinterval(5e-3)  # Python's own
    if early:
        early.close()
    page.queue(max_size=64).launch(
        theme=THEME, css=CSS + LAB_CSS + PHOTO_CSS, footer_links=["api"], run_history=False, max_file_size=MAX_UPLOAD,
        ssr_mode=False, enable_monitoring=False, mcp_server=True, allowed_paths=list(faces.values()),
        prevent_thread_lock=True,
    )  # fmt: skip
    if early and not last and is_kept():
        try:
            remember(str(page.local_url).rstrip("/"), folder, page.app_id)
        except OSError as error:
            print(f"app.py: the page is not kept for the next start: {error}", file=sys.stderr)
    page.block_thread()


if __name__ == "__main__":
    main()
