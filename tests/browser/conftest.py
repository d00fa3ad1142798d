"""A real browser: Debian's Chromium, driven by playwright. Without either of them nothing here is collected."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import netlib as nl

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
SCREENSHOTS = Path(__file__).parent / "screenshots"

collect_ignore_glob = [] if CHROMIUM and find_spec("playwright") else ["*"]


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, tmp_path):
    """Open the page of a model; at the end there was no error, no warning, no dialog, and no request but for the page itself."""
    complaints, pages, contexts = [], [], []

    def visit(model, *inputs, dout=None, detail="layers", **settings):
        path = tmp_path / f"{len(pages)}.html"
        nl.draw(model, *inputs, dout=dout, detail=detail).save(path)
        pages.append(path.as_uri())
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | settings)
        contexts.append(context)
        context.set_default_timeout(30_000)  # ms; reached where something is wrong, however busy the machine
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: complaints.append(f"request: {request.url[:80]}") if not _is_own(request.url, pages) else None)
        page.goto(pages[-1])
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not complaints


def _is_own(url, pages):
    return url in pages or url.startswith("data:")


@pytest.fixture
def screenshot():
    """Keep a picture of a page under tests/browser/screenshots, for human eyes."""

    def screenshot(page, name):
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return screenshot
