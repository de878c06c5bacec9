"""What does a person see and do?  The header, one tab for each kind of question, and the footer."""

from __future__ import annotations

from typing import Any

import gradio as gr

from restoration.page.assets import CSS, HEADER_HTML, HEADER_JS, I18N_JS, LAB_CSS, PHOTO_CSS
from restoration.page.compare_tab import add_compare_tab
from restoration.page.endpoints import add_endpoints
from restoration.page.i18n import TABLES
from restoration.page.lab_endpoints import add_lab_endpoints
from restoration.page.link_event import add_link_event
from restoration.page.parts import BARE, NOTE, QUIET
from restoration.page.photo_tab import add_photo_tab
from restoration.page.site import Site
from restoration.page.test_tab import add_test_tab
from restoration.page.theme import THEME
from restoration.page.words import footer

LANGUAGE_HTML = '<a href="?lang=zh" hreflang="zh" lang="zh">中文 (Chinese)</a>'


LAUNCH: dict[str, Any] = {
    "theme": THEME,
    "css": CSS + LAB_CSS + PHOTO_CSS,
    "footer_links": ["api"],
    "run_history": False,
    "max_file_size": "30mb",
    "ssr_mode": False,
    "enable_monitoring": False,
    "mcp_server": True,
}


def build_page(site: Site) -> gr.Blocks:
    """The whole page. Starts nothing.

    Args:
        site: what every tab works with.
    """
    page = gr.Blocks(title="Face restoration, measured", analytics_enabled=False)
    with page:
        gr.HTML(HEADER_HTML, js_on_load=HEADER_JS, **BARE)
        link_note = gr.HTML("", elem_id="link-note", **NOTE)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Test on a clean face", id="test"):
                test = add_test_tab(site)
            with gr.Tab("Restore my photo", id="restore"):
                add_photo_tab(site)
            with gr.Tab("Compare", id="compare"):
                lab = add_compare_tab(site, test.knobs)
        add_link_event(site, link_note, tabs, test, lab)
        gr.HTML(LANGUAGE_HTML, js_on_load=I18N_JS, tables=TABLES, elem_classes="language", **BARE)
        info, news = site.restorer.info, site.news
        foot = gr.HTML(footer(info), **BARE)
        if news:
            page.load(lambda: footer(info, news()), None, foot, **QUIET)
        add_endpoints(site)
        add_lab_endpoints(site)
    return page
