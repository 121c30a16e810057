"""Sizes of pictures from one page to another: only what somebody wants is encoded, and what fills the tile is shown."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.processes.world import Server
from tests.support.visitor import PATIENCE_MS, Arrive, Visitor

COUNT = """() => {
  const Original = self.VideoEncoder;
  self.encoded = [];
  self.VideoEncoder = class extends Original {
    constructor(init) {
      super({ ...init, output: (chunk, more) => {
        self.encoded.push([this.lines, more?.svc?.temporalLayerId ?? 0]);
        init.output(chunk, more);
      } });
    }
    configure(config) {
      this.lines = config.height;
      super.configure(config);
    }
  };
}"""
"""Notes in the worker of a page each picture that is encoded: its lines and its temporal layer."""
TAKE = "() => self.encoded.splice(0)"
WHILE_MS = 900
"""At least four pictures of the camera."""


def encodes(visitor: Visitor, wanted: Callable[[set[tuple[int, int]]], bool]) -> None:
    """Wait until all pictures that are encoded for a while, by lines and temporal layer, are as they are to be."""
    (worker,) = visitor.page.workers
    for _ in range(int(PATIENCE_MS) // WHILE_MS):
        worker.evaluate(TAKE)
        visitor.page.wait_for_timeout(WHILE_MS)
        found = {(lines, temporal) for lines, temporal in worker.evaluate(TAKE)}
        if wanted(found):
            return
    raise AssertionError(f"encoded at last: {found}")


def lines_shown(visitor: Visitor, name: str, lines: int) -> None:
    """Wait until a tile shows pictures of so many lines."""
    picture = visitor.picture(name).element_handle()
    is_so = "([picture, lines]) => (picture.videoHeight ?? picture.height) === lines"
    visitor.page.wait_for_function(is_so, arg=[picture, lines])


def test_what_somebody_wants_is_encoded_in_the_size_of_the_tile(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Sizes")
    siti = arrive()
    with siti.page.expect_worker() as engine:
        siti.page.goto(link.on_the_web(link.port))
    engine.value.evaluate(COUNT)
    siti.fill_in("kantor-1", "Siti")
    siti.button("Join").click()
    expect(siti.button("Leave")).to_be_visible()
    expect(siti.button("Stop camera")).to_be_visible()
    encodes(siti, lambda found: found == set())

    budi = arrive()
    budi.join(link, "kantor-2", "Budi")
    lines_shown(budi, "Siti", 360)
    budi.button("Settings").click()
    budi.field("Received resolution").select_option("180")
    lines_shown(budi, "Siti", 180)
    encodes(siti, lambda found: found == {(180, 0), (180, 1)})
    budi.field("Received resolution").select_option("720")
    lines_shown(budi, "Siti", 360)
