"""The built site for the tests: its files, a server, one browser."""

import os
import sys
import threading
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from site_files import ROOT, SITE, page_names

sys.path.insert(0, str(ROOT / "book/_ext"))


@pytest.fixture(scope="session")
def site() -> Path:
    if not (SITE / "index.html").is_file():
        pytest.fail("the book is not built: run `make book`", pytrace=False)
    return SITE


@pytest.fixture(scope="session")
def pages(site) -> dict[str, BeautifulSoup]:
    """Every page, parsed."""
    return {
        name: BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser") for name in page_names()
    }


@pytest.fixture(scope="session")
def base(site):
    """The site's address on this machine."""
    import serve

    server = serve.server(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    """One headless Chromium; without one the tests are skipped, and fail in CI."""
    import browser
    from playwright.sync_api import sync_playwright

    program = browser.find()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(browser.HOW)
    quiet = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=quiet)
        yield running
        running.close()
