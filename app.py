"""The page: ``python app.py`` starts it.

RESTORATION_MODEL names other weights than the embedded ones: a folder, or owner/name[@revision] on the Hub.
GRADIO_SERVER_NAME and GRADIO_SERVER_PORT are Gradio's own. User errors are shown in words, programming errors raised.
"""

from __future__ import annotations

import sys

from restoration.images import InputError
from restoration.page import claim_folder, keep_clean, prepare_network, return_memory

FILES_EXPIRE = 3600  # seconds; older files are deleted as often, so after two hours at most


def main() -> None:
    """Load everything once, then serve."""
    if len(sys.argv) > 1:  # there are no options
        sys.exit(__doc__)
    return_memory(60)  # before there are threads
    try:
        prepare_network()
        folder = claim_folder()
        from restoration.page.layout import LAUNCH, build_page  # here and not above: gradio reads the environment
        from restoration.page.site import PHOTOS, load_site, photo_file

        site = load_site()
    except InputError as error:
        sys.exit(f"app.py: {error}")
    page = build_page(site)
    site.restorer.use_lent_gpu()
    keep_clean(folder, FILES_EXPIRE)
    offered = [*site.faces.values(), *map(photo_file, PHOTOS)]
    try:
        page.queue(max_size=64).launch(**LAUNCH, allowed_paths=offered)
    except OSError as error:  # the port, mostly
        sys.exit(f"app.py: {error}")


if __name__ == "__main__":
    main()
