"""A real server with the page, and a real browser."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.support.processes.world import Server, World
from tests.support.visitor import PATIENCE_MS, Arrive, Visitor
from tests.tcclient.web.conftest import WEB, node_modules  # noqa: F401

PAGE = Path(__file__).parents[3] / "tcserver" / "web" / "page"
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream=fps=5",
    "--use-fake-ui-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    "--disable-features=LocalNetworkAccessChecks",
]
"""Chromium with devices that are made up, and without questions about them. Five pictures per second are enough.

A script that a test has changed comes from no address, and may still reach the server on this machine."""


@pytest.fixture(scope="session")
def page_files(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The page as the server gives it out, built from the sources of now: once, whichever process comes first."""
    sources = [*(WEB / "src").rglob("*.*"), WEB / "build.mjs", node_modules / ".package-lock.json"]
    index = PAGE / "index.html"
    with (tmp_path_factory.getbasetemp().parent / "page.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not index.exists() or index.stat().st_mtime < max(path.stat().st_mtime for path in sources):
            subprocess.run(["node", "build.mjs", str(PAGE)], cwd=WEB, check=True, capture_output=True)
    return PAGE


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Its event loop runs as long as it is open, and other modules have loops of their own."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium: `apt install chromium` brings it")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def web_server(template: Path, page_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a process of its own, for all tests of the page: each has a room of its own.

    A test that types a wrong password lets no other test wait.
    """
    place = tmp_path_factory.mktemp("web")
    data = Path(shutil.copytree(template, place / "server"))
    with World(data, place).process("login.back_off_s=0") as server:
        yield server


@pytest.fixture
def arrive(chromium: Browser) -> Iterator[Arrive]:
    """Open a browser window of one's own; what goes wrong on the page fails the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_window(locale: str = "en-GB", **options: object) -> Visitor:
        options = {"viewport": {"width": 1280, "height": 800}} | options
        context = chromium.new_context(ignore_https_errors=True, locale=locale, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        return Visitor(page)

    yield open_window
    for context in contexts:
        context.close()
    assert faults == []
