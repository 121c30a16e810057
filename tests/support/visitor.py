"""A person at the page, in a real browser."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Locator, Page, Route

from tcproto.link import Link
from tests.support.processes.world import PASSWORD, PATIENCE, Server

PATIENCE_MS = PATIENCE * 1000
"""Milliseconds that Chromium waits for what a test waits for."""
SCREENSHOTS = "PAGE_SCREENSHOTS"
"""The environment variable with the folder for screenshots; without it none are kept."""


def address(server: Server, room: str) -> str:
    """The address of the page for a room."""
    link = server.room(room)
    return link.on_the_web(link.port)


class Visitor:
    """A person at the page. Names of controls are those that a screen reader says."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def button(self, name: str | re.Pattern[str]) -> Locator:
        """A button by its whole name."""
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    def field(self, name: str) -> Locator:
        """A field by its whole label."""
        return self.page.get_by_label(name, exact=True)

    def fill_in(self, user: str, name: str, password: str = PASSWORD) -> None:
        """Type what is asked for before the meeting."""
        self.field("User name").fill(user)
        self.field("Password").fill(password)
        self.field("Your name").fill(name)

    def try_to_join(self, address: str, user: str, name: str, password: str = PASSWORD) -> None:
        """Open the page and press the button."""
        self.page.goto(address)
        self.fill_in(user, name, password)
        self.button("Join").click()

    def join(self, link: Link, user: str, name: str) -> None:
        """Be in the meeting."""
        self.try_to_join(link.on_the_web(link.port), user, name)
        self.button("Leave").wait_for(timeout=PATIENCE_MS)

    def tile(self, name: str) -> Locator:
        """The tile of a participant."""
        return self.page.get_by_role("listitem").filter(has=self.button(re.compile(rf"^(Pin|Unpin) {re.escape(name)}")))

    def picture(self, name: str) -> Locator:
        """The picture in the tile of a participant, if there is one."""
        return self.tile(name).locator(".picture")

    def open_menu(self, name: str) -> None:
        """Open the list of people and what can be done with one of them."""
        if self.button("People").get_attribute("aria-expanded") != "true":
            self.button("People").click()
        self.button(f"Actions for {name}").click()

    def alert(self) -> Locator:
        """What is said as an alert."""
        return self.page.get_by_role("alert")

    def tap(self) -> None:
        """Put a meter in front of the loudspeaker, before the page is opened."""
        self.page.add_init_script(TAP)

    def begin_worker_with(self, script: str) -> None:
        """Put a script in front of that of the worker, before the page is opened."""

        def change(route: Route) -> None:
            answer = route.fetch()
            encoded = ("content-encoding", "content-length")
            headers = {name: value for name, value in answer.headers.items() if name not in encoded}
            route.fulfill(status=answer.status, headers=headers, body=f"{{{script}}}\n{answer.text()}")

        self.page.route("**/worker-*.js", change)

    def loudness(self) -> float:
        """The loudest sample that the loudspeaker gets now, 0 to 1."""
        return self.page.evaluate(LOUDEST)

    def keep(self, name: str) -> None:
        """Keep a screenshot, where a folder is given for them."""
        if folder := os.environ.get(SCREENSHOTS):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def tab_to(self, name: str, limit: int = 60) -> Locator:
        """Press the tab key until an element of this name has the focus; fail after ``limit`` times."""
        for reached in self._tabs(limit):
            if reached == name:
                return self.page.locator(":focus")
        raise AssertionError(f"the tab key does not reach {name}")

    def _tabs(self, limit: int) -> Iterator[str]:
        for _ in range(limit):
            self.page.keyboard.press("Tab")
            yield self.page.evaluate(ACCESSIBLE_NAME)


Arrive = Callable[..., Visitor]
"""Opens a window of the browser with the page."""

PIXELS = """(picture) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.videoWidth ?? picture.width, picture.videoHeight ?? picture.height];
  if (canvas.width === 0) return [0, 0, ""];
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
  return [canvas.width, canvas.height, btoa(text)];
}"""
"""Width, height and pixels (RGBA, base64) of what an element shows."""

ACCESSIBLE_NAME = """() => {
  const element = document.activeElement;
  const label = element.labels?.[0]?.querySelector("span") ?? element.labels?.[0];
  const said = element.cloneNode(true);
  said.querySelectorAll("[aria-hidden=true]").forEach((part) => part.remove());
  return (element.getAttribute("aria-label") ?? label?.textContent ?? said.textContent).trim();
}"""
"""The name of the element that has the focus, as far as the page gives names."""

TAP = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...more) {
  if (target instanceof AudioDestinationNode) {
    window.meter = new AnalyserNode(this.context);
    connect.call(this, window.meter);
  }
  return connect.call(this, target, ...more);
};
"""
TRACKS = """
window.tracks = [];
const open = MediaDevices.prototype.getUserMedia;
MediaDevices.prototype.getUserMedia = async function (...wishes) {
  const stream = await open.apply(this, wishes);
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""
"""Notes the open devices, in ``window.tracks``."""
LOUDEST = """
() => {
  const samples = new Float32Array(2048);
  window.meter?.getFloatTimeDomainData(samples);
  return Math.max(...samples.map(Math.abs));
}
"""
