"""Where the parts of a benchmark of the page are held: a browser, and a server with a room for each part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.harness import scrape
from benchmarks.harness.browser import WINDOW, Person
from benchmarks.harness.participant_process import Task
from benchmarks.harness.server import ACCOUNT, Server
from tcproto.link import Link

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PASSWORD = "correct horse battery"
ROOM = "hall"


class Hall(NamedTuple):
    """A server with a room."""

    link: Link
    address: tuple[str, int]
    metrics: int
    """Port of the server's metrics."""

    def gave_way(self) -> tuple[float, float]:
        """Return how many small and large datagrams, sound and pictures, slow lines have cost so far."""
        sizes = scrape.by_label(scrape.fetch(self.metrics), "tcserver_media_gave_way_total", "size")
        return sizes.get("small", 0.0), sizes.get("large", 0.0)


class Place(NamedTuple):
    """What the parts are held with."""

    browser: Browser
    folder: Path
    seconds: float
    quick: bool

    @contextmanager
    def hall(self) -> Iterator[Hall]:
        """Run a server."""
        port = scrape.free_port()
        with Server([ROOM], {"http.port": port}, password=PASSWORD) as server:
            yield Hall(replace(server.link, room=ROOM), server.address, port)

    def person(
        self,
        stack: ExitStack,
        link: Link,
        name: str,
        *,
        microphone: bool = True,
        camera: bool = True,
        size: tuple[int, int] = WINDOW,
    ) -> Person:
        """Return somebody in the meeting, in a window of that size."""
        person = Person(self.browser, size)
        stack.callback(person.close)
        person.open(link, ACCOUNT, PASSWORD, name, microphone=microphone, camera=camera)
        person.join()
        return person

    def task(self, link: Link, name: str) -> Task:
        """Return the task of a native participant that receives."""
        return Task(str(link), ACCOUNT, PASSWORD, str(self.folder / name), seconds=self.seconds)
