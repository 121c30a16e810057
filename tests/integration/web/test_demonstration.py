"""The demonstration with ``--web``: a person sees and hears its participants in a real browser."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from tests.support.processes.client_process import COMMAND, environment
from tests.support.processes.world import PATIENCE
from tests.support.visitor import PIXELS, Arrive

pytestmark = pytest.mark.usefixtures("measured")

MOVES = f"""() => {{
  const pictures = [...document.querySelectorAll(".tile .picture")].map({PIXELS}).map((pixels) => pixels[2]);
  if (pictures.length !== 3 || pictures.includes("")) return false;
  window.seen ??= pictures.map(() => new Set());
  pictures.forEach((picture, index) => window.seen[index].add(picture));
  return window.seen.every((different) => different.size > 1);
}}"""
"""Whether there are three pictures, and each has changed since the first call."""


class Printed(NamedTuple):
    link: str
    user: str
    password: str
    opened: Path
    """File with the links that a browser was opened with."""


@pytest.fixture
def demonstration(page_files: Path, tmp_path: Path) -> Iterator[Printed]:
    """A running one, with a browser that notes what it shall open. Ctrl-C ends it, and nothing is left."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o700)
    command = [*COMMAND, "demo", "--web", "--participants", "3", "--talkers", "2", "--cameras", "3"]
    marked = environment(tmp_path) | {"BROWSER": f"{browser} %s"}
    with subprocess.Popen(command, cwd=tmp_path, env=marked, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "Ctrl-C ends it.\n":
                break
        try:
            link, user, password = (line.split()[-1] for line in lines[1:4])
            yield Printed(link, user, password, opened)
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            assert process.wait(PATIENCE) == 0
    assert rest == "The meeting is over; nothing of it is left.\n"
    assert list((tmp_path / "temporary").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"browser", "opened", "temporary"}


def test_a_person_visits_the_demonstration(demonstration: Printed, arrive: Arrive) -> None:
    visitor = arrive(viewport={"width": 1280, "height": 760})
    visitor.try_to_join(demonstration.link, demonstration.user, "Visitor", demonstration.password)
    expect(visitor.button("Leave")).to_be_visible()
    assert demonstration.opened.read_text() == demonstration.link + "\n"
    visitor.button("Stop camera").click()
    visitor.page.wait_for_function(MOVES, polling=100)
    visitor.button("Chat").click()
    visitor.field("Message").fill("Selamat pagi")
    visitor.button("Send").click()
    expect(visitor.page.get_by_role("log")).to_contain_text("Selamat pagi")
    visitor.page.locator(".tile.speaking .picture").first.wait_for()
    # The picture of the README is this one.
    visitor.keep("demonstration")
    visitor.button("People").click()
    expect(visitor.button("Mute all")).to_be_visible()
