"""What does the page say in other languages?  Tables of whole English sentences to whole sentences; ``i18n.js`` puts
them in.

Convention:
    - one file a language in ``languages``, named by its code; what a table leaves out stays English
    - a key is the text of one element or attribute exactly as the page says it, white space aside
    - {} stands for what changes in a sentence; the translation holds as many, in the same order
    - what is no key itself is translated sentence by sentence or part by part ("a, b · c"), if every part is known;
      a part may begin in lower case
"""

from __future__ import annotations

import json
from pathlib import Path

TABLES: dict[str, dict[str, str]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "languages").glob("*.json"))
}
