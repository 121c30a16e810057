"""A tile says in words why its picture does not come, in the language of the page."""

from playwright.sync_api import expect

from tests.support.processes.world import Server
from tests.support.visitor import TRACKS, Arrive

DARK = """() => {
  const cameras = window.tracks.filter((track) => track.kind === "video");
  return cameras.length > 0 && cameras.every((track) => track.readyState === "ended");
}"""
"""Tells whether the light of the camera is out."""


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


def test_a_chair_stops_all_pictures_and_those_of_newcomers(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Sound")
    ketua, siti, budi = arrive(), arrive(), arrive()
    siti.page.add_init_script(TRACKS)
    ketua.join(link, "ketua", "Ibu Ketua")
    siti.join(link, "kantor-1", "Siti")
    expect(ketua.picture("Siti")).to_be_visible()

    def order(audio_only: bool) -> None:
        ketua.button("Room settings").click()
        ketua.field("Sound only: nobody can send pictures").set_checked(audio_only)
        ketua.button("Save").click()

    ketua.button("People").click()
    order(True)
    banner = siti.page.get_by_text("A chair has stopped all pictures in this room")
    expect(banner).to_be_visible()
    for person in (ketua, siti):
        expect(person.button("Start camera")).to_be_visible()
    siti.page.wait_for_function(DARK)
    expect(ketua.tile("Siti").locator(".limit")).to_have_text("A chair has stopped this camera")
    siti.button("Start camera").click()
    refused = siti.page.get_by_text("The room does not let you show a picture now.")
    expect(refused).to_be_visible()
    siti.page.wait_for_function(DARK)

    budi.join(link, "kantor-2", "Budi")
    expect(budi.button("Start camera")).to_be_visible()
    budi.button("Settings").click()
    budi.field("Language").select_option("id")
    expect(budi.page.get_by_text("Ketua rapat menghentikan semua gambar di ruang ini")).to_be_visible()
    expect(siti.tile("Budi").locator(".limit")).to_have_text("A chair has stopped this camera")

    order(False)
    expect(banner).to_have_count(0)
    expect(refused).to_have_count(0)
    siti.button("Start camera").click()
    expect(ketua.picture("Siti")).to_be_visible()
    expect(ketua.tile("Budi").locator(".limit")).to_have_text("Camera is off")
