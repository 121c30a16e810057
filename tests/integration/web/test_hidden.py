"""A page that is hidden for a while receives sound, and no pictures but the one that floats above other windows."""

from playwright.sync_api import expect

from tcproto.link import Link
from tests.integration.web.test_layers import COUNT, encodes
from tests.support.processes.world import Server
from tests.support.visitor import LOUDEST, PIXELS, Arrive, Visitor

TURN = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Hides the page, or shows it, as far as its scripts can tell: here no window is in front of another."""
FLOATING = "document.pictureInPictureElement"
CHANGES = f"""async () => {{
  const look = () => ({PIXELS})({FLOATING})[2];
  const before = look();
  for (let tries = 0; tries < 50; tries++) {{
    await new Promise((done) => setTimeout(done, 100));
    if (look() !== before) return true;
  }}
  return false;
}}"""
"""Whether another picture floats within five seconds."""
NEXT_PICTURE = """(video) => new Promise((done) => {
  const begin = performance.now();
  video.requestVideoFrameCallback(() => done(performance.now() - begin));
})"""
"""Milliseconds until the next picture."""
LOUD = 0.01
"""The least sample of the tone that the made-up microphone gives each second."""


def arrive_counted(arrive: Arrive, link: Link, user: str, name: str) -> Visitor:
    """Join with a page that notes what it encodes."""
    visitor = arrive()
    with visitor.page.expect_worker() as engine:
        visitor.page.goto(link.on_the_web(link.port))
    engine.value.evaluate(COUNT)
    visitor.fill_in(user, name)
    visitor.button("Join").click()
    expect(visitor.button("Leave")).to_be_visible()
    return visitor


def test_a_hidden_page_gets_sound_and_no_pictures(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Hidden")
    siti = arrive_counted(arrive, link, "kantor-1", "Siti")
    budi = arrive()
    budi.tap()
    budi.join(link, "kantor-2", "Budi")
    expect(budi.picture("Siti")).to_be_visible()
    encodes(siti, lambda found: found != set())
    budi.page.evaluate(TURN, True)
    encodes(siti, lambda found: found == set())
    budi.page.wait_for_function(f"() => ({LOUDEST})() > {LOUD}", polling=20)
    # Its own camera goes on, and it says nothing of a slow connection.
    assert siti.picture("Budi").evaluate(NEXT_PICTURE) > 0
    expect(budi.page.locator("li.tile .limit")).to_have_count(0)
    budi.page.evaluate(TURN, False)
    assert budi.picture("Siti").evaluate(NEXT_PICTURE) > 0
    expect(budi.page.locator("li.tile .limit")).to_have_count(0)
    encodes(siti, lambda found: found != set())


def test_the_floating_picture_goes_on_while_the_page_is_hidden(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Floating")
    siti = arrive_counted(arrive, link, "kantor-1", "Siti")
    wati = arrive_counted(arrive, link, "ketua", "Wati")
    budi = arrive()
    budi.join(link, "kantor-2", "Budi")
    expect(budi.picture("Siti")).to_be_visible()
    expect(budi.picture("Wati")).to_be_visible()
    for other in (siti, wati):
        other.page.evaluate(TURN, True)
    budi.button("Picture in picture").click()
    budi.page.wait_for_function(f"{FLOATING}?.videoWidth > 2")
    budi.page.evaluate(TURN, True)
    encodes(wati, lambda found: found == set())
    encodes(siti, lambda found: found != set())
    assert budi.page.evaluate(CHANGES)
    # Who floats has no camera any more: the next one does.
    siti.button("Stop camera").click()
    encodes(wati, lambda found: found != set())
    assert budi.page.evaluate(CHANGES)
