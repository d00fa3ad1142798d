"""Check the built site: ``python -m docs.site.check``.

On all pages: links and their anchors, alt texts, the order of headings, nothing from outside. On a
page of each kind, opened from its folder in an offline Chromium, at the widths of a desk and of a
phone, light and dark: the console, and that nothing sticks out; axe's rules on every other page in
light at a desk, on the others in dark on a phone.
Search, the menu, the theme and a steps page by keyboard alone.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urldefrag

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from . import BUILD, HTML

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
WIDTHS = {1280: 900, 390: 844}  # and heights
PAGES = ["index", "learn", "faq", "chapter-in-code", "gallery", "benchmarks", "write-your-own-layer", "search"]
PAGES += ["reference/index", "reference/Affine", "reference/LSTM", "reference/Trainer", "reference/data"]
PAGES += ["examples/index", "examples/digits", "_modules/netlib/layers/affine"]
MADE_ELSEWHERE = ("steps", "try-it")  # folders of pages that Sphinx does not make, and tests/browser checks
MEGABYTES = 30
RULES = {"empty-table-header": {"enabled": False}}  # the corner of a table of numbers may be empty
AXE_AT = [(1280, "light"), (390, "dark")]


def check_files() -> Iterator[str]:
    """Yield what is wrong with the pages as files."""
    texts = {path: path.read_text(encoding="utf-8") for path in HTML.rglob("*.html") if "_static" not in path.parts}
    ids = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in texts.items()}
    for path, text in texts.items():
        if path.parent.name in MADE_ELSEWHERE:
            continue
        where = path.relative_to(HTML)
        for tag, attributes in re.findall(r"<(a|img|script|link|iframe)\b([^>]*)>", text):
            values = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
            if url := values.get("href") or values.get("src"):
                yield from (f"{where}: {problem}" for problem in _link(path, unescape(url), tag, ids))
            if tag == "img" and not values.get("alt"):
                yield f"{where}: an image without alt text: {url}"
        levels = [int(level) for level in re.findall(r"<h([1-6])\b", text.partition("<main")[2].partition("</main>")[0])]
        if levels[:1] != [1] or levels.count(1) > 1 or any(b > a + 1 for a, b in pairwise(levels)):
            yield f"{where}: headings of levels {levels}"
    size = sum(path.stat().st_size for path in HTML.rglob("*") if path.is_file()) / 1e6
    if size > MEGABYTES:
        yield f"the site has {size:.1f} MB, more than {MEGABYTES}"


def _link(page: Path, url: str, tag: str, ids: dict[Path, set[str]]) -> Iterator[str]:
    if re.match(r"(https?:)?//", url):
        if tag != "a" and tag != "link":
            yield f"{tag} loads {url} from outside"
        return
    if re.match(r"[a-z]+:", url):
        return
    target, anchor = urldefrag(url)
    path = (page.parent / unquote(target).partition("?")[0]).resolve() if target else page
    if not path.is_file():
        yield f"{tag} leads nowhere: {url}"
    elif anchor and path in ids and unquote(anchor) not in ids[path] and path.parent.name not in MADE_ELSEWHERE:
        yield f"no such place: {url}"


def check_browser(browser: Browser) -> Iterator[str]:
    """Yield what is wrong with pages of each kind in Chromium."""
    for width, height in WIDTHS.items():
        for theme in ("light", "dark"):
            complaints: list[str] = []
            page = _page(browser, width, height, theme, complaints)
            for i, name in enumerate(PAGES):
                page.goto((HTML / f"{name}.html").as_uri())
                complaints += _violations(page) if (width, theme) == AXE_AT[i % 2] else []
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    complaints.append("wider than the window")
                yield from (f"{name}, {width} px, {theme}: {complaint}" for complaint in complaints)
                complaints.clear()
                _screenshot(page, f"{name}-{width}-{theme}")
            page.context.close()


def _violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"preload": False, "rules": RULES}).response["violations"]
    nodes = [(violation["id"], node) for violation in found for node in violation["nodes"][:3]]
    return [f"{rule}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}" for rule, node in nodes]


def check_keyboard(browser: Browser) -> Iterator[str]:
    """Yield what cannot be done without a mouse."""
    complaints: list[str] = []
    for width, height in WIDTHS.items():
        for task in (skip_to_content, search, open_steps, open_menu if width < 500 else switch_theme):
            page = _page(browser, width, height, "light", complaints)
            try:
                task(page)
            except Exception as error:
                complaints.append(f"{type(error).__name__}: {error}")
            yield from (f"{task.__name__}, {width} px: {complaint}" for complaint in complaints)
            complaints.clear()
            page.context.close()


def skip_to_content(page: Page) -> None:
    """The first Tab leads to a link past the navigation."""
    _open(page, "learn")
    page.keyboard.press("Tab")
    assert "skip" in page.evaluate("document.activeElement.textContent").lower(), "no link past the navigation"
    page.keyboard.press("Enter")
    page.wait_for_url("**#main-content")


def search(page: Page) -> None:
    """Ctrl+K, a word, Enter: the page is among the results."""
    _open(page, "index")
    page.keyboard.press("Control+k")
    page.keyboard.type("Affine")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results a[href*='reference/Affine']")


def switch_theme(page: Page) -> None:
    """The switch in the header is reached by Tab, and leads to dark."""
    _open(page, "learn")
    _press_until(page, "Tab", "document.activeElement.classList.contains('theme-switch-button')")
    page.keyboard.press("Enter")
    page.locator("button[data-mode='dark']:visible").wait_for()
    _press_until(page, "ArrowDown", "document.activeElement.dataset.mode === 'dark'")
    page.keyboard.press("Enter")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")


def open_steps(page: Page) -> None:
    """The page that steps through a layer opens below its picture, and computes again."""
    _open(page, "reference/Affine")
    _press_until(page, "Tab", "document.activeElement.matches('details.steps > summary')")
    page.keyboard.press("Enter")
    page.frame_locator("details.steps iframe").locator("#slider").wait_for()


def open_menu(page: Page) -> None:
    """The menu of a phone opens by Enter and closes by Escape."""
    _open(page, "learn")
    _press_until(page, "Tab", "document.activeElement.classList.contains('primary-toggle')")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] a")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")


def _open(page: Page, name: str) -> None:
    page.goto((HTML / f"{name}.html").as_uri())


def _press_until(page: Page, key: str, condition: str) -> None:
    for _ in range(200):
        page.keyboard.press(key)
        if page.evaluate(condition):
            return
    raise AssertionError(f"{key} never leads to where {condition}")


def _page(browser: Browser, width: int, height: int, theme: str, complaints: list[str]) -> Page:
    """Open an offline window that writes down what its console says and what it requests."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, offline=True, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(120_000)  # ms; reached where something is wrong, however busy the machine
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"console: {message.text}") if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", lambda request: None if re.match("file:|data:", request.url) else complaints.append(f"request: {request.url}"))
    return page


def _screenshot(page: Page, name: str) -> None:
    path = BUILD / "screenshots" / f"{name.replace('/', '-')}.png"
    page.screenshot(path=path)


def main() -> int:
    """Return 1 and print every complaint if there are any."""
    complaints = list(check_files())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        complaints += [*check_keyboard(browser), *check_browser(browser)]
        browser.close()
    print("\n".join(complaints))
    print(f"{len(complaints)} complaints about {len(list(HTML.rglob('*.html')))} pages")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
