"""What does the page say beside the pictures?  Notes, refusals and the footer, as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

PRIVACY = (
    "Your picture is processed on the machine that runs this page, is never shown to another visitor, and its "
    "temporary copies are deleted within two hours. No analytics, no history."
)
BUILT_IN = {"embedded": "the built-in detector", "embedded_recogniser": "the built-in recogniser"}
PHOTO_HTML = """<p>Any photo: every face in it is found, and you choose which to restore. The rest of the picture stays
exactly as it is.</p>"""


def called(network: str) -> str:
    """What the page calls a detector or an identity network, by its name; those of others keep theirs. Escaped."""
    return html.escape(BUILT_IN.get(network, network))


def items(texts: Iterable[str], tag: str = "p") -> str:
    """Plain texts as HTML, each escaped and in an element of its own; "" for none."""
    return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts)


def refused(error: Exception) -> str:
    """Why a file was refused, as HTML that a screen reader announces at once; the message is escaped."""
    return f'<p class="refused" role="alert">{html.escape(str(error))}</p>'


def footer(info: dict[str, Any], update: str = "") -> str:
    """Weights, where they come from, licence and privacy in one compact line each.

    Args:
        info: ``Restorer.info``: its name, source, revision, notice, parameters and license are shown, escaped;
            of a folder on this machine no path.
        update: how to take what is newer on the Hub; "" where nothing is.

    Returns:
        HTML.
    """
    size = f"{info['parameters'] / 1e6:.1f} M parameters"
    folder = info["revision"] is None and not info["source"].startswith("embedded: ")
    source = "a folder of this machine" if folder else info["source"]
    at = f", revision {info['revision'][:12]}" if info["revision"] else ""
    facts = f"Weights “{info['name']}” ({source}{at}) · {size} · licence of the weights: {info['license']}"
    return f'<div class="foot">{items([facts, *filter(None, (info["notice"], update)), PRIVACY])}</div>'
