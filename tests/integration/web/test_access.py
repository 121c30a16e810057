"""The page for those who use a keyboard, a screen reader or a phone."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.processes.world import Server
from tests.support.visitor import Arrive, Visitor, address

AXE = Path(__file__).parents[3] / "tcclient" / "web" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 740}
CONTROLS = ["Mute", "Stop camera", "Share screen", "Raise hand", "Chat", "People", "Settings", "Leave"]


def findings(visitor: Visitor) -> list[str]:
    """What axe-core finds serious or critical."""
    visitor.page.evaluate(AXE.read_text(encoding="utf-8"))
    result = visitor.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{found['id']}: {found['nodes'][0]['html']}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        pytest.param("light", {"width": 1280, "height": 800}, id="desktop"),
        pytest.param("dark", PHONE, id="phone"),
    ],
)
def test_axe_finds_nothing_serious(web_server: Server, arrive: Arrive, scheme: str, size: dict[str, Any]) -> None:
    name = f"{scheme} {size['width']}"
    link = web_server.room(f"Axe {name}")
    ketua = arrive(color_scheme=scheme, viewport=size)
    budi = arrive()
    ketua.page.goto(link.on_the_web(link.port))
    assert findings(ketua) == []
    ketua.keep(f"lobby {name}")
    ketua.join(link, "ketua", "Ibu Ketua")
    budi.join(link, "kantor-2", "Budi")
    expect(ketua.tile("Budi")).to_be_visible()
    assert findings(ketua) == []
    ketua.keep(f"meeting {name}")
    ketua.button("Chat").click()
    assert findings(ketua) == []
    ketua.keep(f"chat {name}")
    ketua.open_menu("Budi")
    assert findings(ketua) == []
    ketua.keep(f"people {name}")
    ketua.button("Settings").click()
    assert findings(ketua) == []
    ketua.keep(f"settings {name}")
    ketua.page.keyboard.press("Escape")
    ketua.button("Leave").click()
    expect(ketua.button("Join again")).to_be_visible()
    assert findings(ketua) == []


@pytest.mark.parametrize("size", [PHONE, {"width": 640, "height": 360}, {"width": 1920, "height": 1080}])
def test_all_controls_are_within_a_small_window(web_server: Server, arrive: Arrive, size: dict[str, int]) -> None:
    siti = arrive(viewport=size, has_touch=True)
    siti.join(web_server.room(f"Small {size['width']}"), "kantor-1", "Siti")
    for name in CONTROLS:
        box = siti.button(name).bounding_box()
        assert box is not None, name
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= size["width"], name
        assert box["y"] + box["height"] <= size["height"], name
        assert min(box["width"], box["height"]) >= 40, f"{name} is a small target"
    assert siti.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    siti.button("Chat").click()
    lines, typed = siti.page.get_by_role("log").bounding_box(), siti.field("Message").bounding_box()
    assert lines is not None
    assert typed is not None
    assert lines["height"] >= 120, "too few texts are in sight"
    assert typed["width"] >= 250


def test_a_meeting_by_keyboard_alone(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    press = siti.page.keyboard.press
    siti.page.goto(address(web_server, "Keys"))
    for field, text in {"User name": "kantor-1", "Password": "correct horse battery", "Your name": "Siti"}.items():
        siti.tab_to(field)
        siti.page.keyboard.type(text)
    press("Enter")
    expect(siti.button("Leave")).to_be_visible()

    for name in CONTROLS:
        siti.tab_to(name)
    siti.tab_to("Mute")
    press("Enter")
    expect(siti.button("Unmute")).to_be_focused()
    siti.tab_to("Chat")
    press("Enter")
    expect(siti.field("Message")).to_be_focused()
    siti.page.keyboard.type("by keyboard")
    press("Enter")
    expect(siti.page.get_by_role("log")).to_contain_text("by keyboard")
    press("Escape")
    expect(siti.button("Chat")).to_be_focused()
    siti.tab_to("Settings")
    press("Enter")
    expect(siti.page.get_by_role("dialog")).to_be_visible()
    for _ in range(20):
        press("Tab")
        inside = "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        assert siti.page.evaluate(inside), "the focus left the open dialog"
    press("Escape")
    expect(siti.button("Settings")).to_be_focused()
    siti.tab_to("Leave")
    press("Enter")
    expect(siti.button("Join again")).to_be_visible()


CLOSE_AND_GO_ON = """([dialog, next]) => {
  dialog.close();
  next.focus();
}"""
"""Close a dialog, and move the focus on before the page has heard of it."""


def test_a_closed_dialog_gives_the_focus_back_once(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    siti.join(web_server.room("Focus"), "kantor-1", "Siti")
    dialog, leave = siti.page.get_by_role("dialog"), siti.button("Leave")
    siti.button("Settings").click()
    dialog.get_by_role("button", name="Close").click()
    expect(siti.button("Settings")).to_be_focused()
    siti.button("Settings").click()
    siti.page.evaluate(CLOSE_AND_GO_ON, [dialog.element_handle(), leave.element_handle()])
    expect(dialog).to_have_count(0)
    siti.page.wait_for_timeout(100)  # The page would have taken the focus by now.
    expect(leave).to_be_focused()


OVERLAP = """([one, other]) => {
  const [a, b] = [one, other].map((element) => element.getBoundingClientRect());
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}"""
"""Whether two elements are drawn over each other."""
CUT = """(list) => [...list.querySelectorAll(".who *")]
  .filter((element) => element.scrollWidth > element.clientWidth && element.clientWidth > 1)
  .map((element) => element.textContent)"""
"""What cannot be read whole in a list."""
LONG_NAME = "Kepala Bidang Pelayanan Perizinan dan Nonperizinan Satu Pintu II"


def test_a_small_window_shows_long_names_and_why_there_is_no_picture(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Long")
    ketua, budi = arrive(), arrive(viewport=PHONE, has_touch=True)
    ketua.join(link, "ketua", LONG_NAME)
    budi.join(link, "kantor-2", "Budi")
    ketua.button("Stop camera").click()
    ketua.button("Raise hand").click()
    tile = budi.tile(LONG_NAME)
    said, hand = tile.locator(".limit"), tile.locator(".badge")
    expect(said).to_be_visible()
    expect(hand).to_be_visible()
    budi.page.set_viewport_size({"width": 360, "height": 300})
    expect(tile).to_have_class(re.compile(r"\bcompact\b"))
    for other in (tile.locator(".initials span"), tile.locator(".caption"), hand, tile.locator(".pin")):
        if other.is_visible():
            both = [said.element_handle(), other.element_handle()]
            assert not budi.page.evaluate(OVERLAP, both), other.get_attribute("class")
    budi.page.set_viewport_size(PHONE)
    budi.button("People").click()
    people = budi.page.get_by_role("list", name="People")
    expect(people).to_contain_text(LONG_NAME)
    assert people.evaluate(CUT) == []


@pytest.mark.parametrize("size", [PHONE, {"width": 800, "height": 600}], ids=["phone", "small window"])
def test_a_message_is_not_over_what_is_typed(web_server: Server, arrive: Arrive, size: dict[str, int]) -> None:
    link = web_server.room(f"Typed {size['width']}")
    siti, budi = arrive(viewport=size), arrive()
    siti.join(link, "kantor-1", "Siti")
    siti.button("Chat").click()
    budi.join(link, "kantor-2", LONG_NAME)
    toast = siti.page.locator(".toast").filter(has_text=LONG_NAME)
    over = toast.bounding_box()  # It waits for the message, which goes by itself.
    assert over is not None
    close = siti.page.get_by_role("complementary").get_by_role("button", name="Close")
    for other in (siti.field("Message"), siti.field("To"), siti.button("Send"), close, siti.button("Leave")):
        box = other.bounding_box()
        assert box is not None
        assert box["y"] >= over["y"] + over["height"] or box["y"] + box["height"] <= over["y"], box
