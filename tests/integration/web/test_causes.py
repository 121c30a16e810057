"""A tile says in words why its picture does not come, in the language of the page."""

from playwright.sync_api import expect

from tests.support.processes.world import Server
from tests.support.visitor import Arrive


def test_a_tile_says_why_there_is_no_picture(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Causes")
    siti, budi = arrive(), arrive()
    siti.join(link, "kantor-1", "Siti")
    budi.join(link, "kantor-2", "Budi")
    tile = budi.tile("Siti")
    expect(tile.locator(".picture")).to_be_visible()
    said = tile.locator(".limit")
    expect(said).to_have_count(0)
    siti.button("Stop camera").click()
    expect(said).to_have_text("Camera is off")
    expect(tile.locator(".picture")).to_have_count(0)
    siti.button("Start camera").click()
    expect(tile.locator(".picture")).to_be_visible()
    expect(said).to_have_count(0)
    budi.button("Settings").click()
    budi.page.get_by_role("checkbox", name="Data saver").check()
    expect(said).to_have_text("Data saver: no picture")
    budi.field("Language").select_option("id")
    expect(budi.page.locator("li.tile .limit")).to_have_text("Hemat data: tanpa gambar")
