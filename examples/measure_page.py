"""How fast is the page?  ``python -m examples.measure_page``, with Chromium and playwright there.

Starts the app on a free port and prints, in seconds after the start of its process, the first paint, the first moment
at which the page obeys, and when a face is restored whose button was pressed then. At last it prints how long a
comparison and a sweep of 48 points take from the press, and the same sweep asked for by a program, with its zip.
"""

from __future__ import annotations

import time

from gradio_client import Client, handle_file
from playwright.sync_api import Page, sync_playwright

from examples.make_screenshots import LABORATORY_LIMIT, ROOT, open_browser, started_app, wait_for

PAINT = "performance.timeOrigin + performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SAYS = "text => [...document.querySelectorAll('.verdict')].some(verdict => verdict.textContent.includes(text))"


def time_button(tab: Page, button: str, done: str) -> float:
    """Seconds from a press until a text is the verdict, looked for now and then: at every frame, it would take time.

    Its zip is waited for, but not counted: what is pressed next would wait for it.
    """
    begun = time.perf_counter()
    tab.get_by_role("button", name=button, exact=True).click()
    tab.wait_for_function(SAYS, arg=done, polling=100)
    seconds = time.perf_counter() - begun
    tab.locator("a[download]:visible").first.wait_for()
    return seconds


def time_sweep(address: str) -> float:
    """Seconds that a program waits for the sweep that the page opens with."""
    client = Client(address, verbose=False)
    axes = ["motion_length", 4, 60, 8, "noise", 0, 25, 6]  # as the page has them
    begun = time.perf_counter()
    found, _ = client.predict(handle_file(ROOT / "examples" / "eileen_collins.png"), *axes, "{}", 1, api_name="/sweep")
    assert len(found["points"]) == 48
    return time.perf_counter() - begun


def main() -> None:
    """Print one line a measurement."""
    begun = time.time()
    with started_app() as (address, server), sync_playwright() as playwright:
        browser = open_browser(playwright)
        tab = browser.new_page(viewport={"width": 1440, "height": 1000})
        tab.set_default_timeout(LABORATORY_LIMIT)
        wait_for(address, server)
        tab.goto(address)
        tab.wait_for_function(f"{PAINT} > 0")
        painted = tab.evaluate(PAINT) / 1000
        tab.locator("#result table").wait_for()
        opening = str(tab.locator("#result img").first.get_attribute("src")).rpartition("/")[0]
        obeyed = time.time()
        tab.get_by_role("button", name="Degrade & restore").click()
        tab.locator(f'#result img:not([src^="{opening}"])').first.wait_for()
        named = {"first paint": painted, "obeys": obeyed, "has restored": time.time()}
        print(", ".join(f"{name} {moment - begun:.2f} s" for name, moment in named.items()), "after the start")
        tab.get_by_role("tab", name="Compare").click()
        print(f"comparison of 4 degradations: {time_button(tab, 'Compare', '4 degradations compared'):.1f} s")
        tab.get_by_label("A range of severities").check()
        print(f"sweep of 48 points: {time_button(tab, 'Sweep', '48 restorations measured'):.1f} s")
        browser.close()
        print(f"the same, asked for by a program: {time_sweep(address):.1f} s")


if __name__ == "__main__":
    main()
