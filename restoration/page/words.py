"""The page's labels, buttons and notes in two languages; reports, results and errors are English."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from pathlib import Path

import gradio as gr

# Language -> key -> text, which may hold HTML. Gradio shows a visitor the language of their browser.
TABLES: dict[str, dict[str, str]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "languages").glob("*.json"))
}
I18N = gr.I18n(**TABLES)
BUILT_IN = {"embedded": "the built-in detector", "embedded_recogniser": "the built-in recogniser"}


def t(key: str) -> str:
    """What Gradio replaces by the text of a key: a whole label, value or placeholder.

    Raises:
        KeyError: no such key.
    """
    assert TABLES["en"][key]
    return str(I18N(key))


def called(network: str) -> str:
    """What the page calls a detector or an identity network, by its name; those of others keep theirs. Escaped."""
    return html.escape(BUILT_IN.get(network, network))


def items(texts: Iterable[str], tag: str = "p") -> str:
    """Plain texts as HTML, each escaped and in an element of its own; "" for none."""
    return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts)


def refused(error: Exception) -> str:
    """Why a file was refused, as HTML that a screen reader announces at once; the message is escaped."""
    return f'<p class="refused" role="alert">{html.escape(str(error))}</p>'
