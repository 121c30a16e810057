"""What a chair does with the page, and what the others see of it."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.processes.world import Server
from tests.support.visitor import TRACKS, Arrive


def test_a_recorder_is_told_and_the_chair_lowers_a_hand(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Hands")
    ketua, budi = arrive(), arrive()
    ketua.join(link, "ketua", "Ibu Ketua")
    budi.join(link, "kantor-2", "Budi")
    recorder = budi.page.get_by_role("banner").get_by_text("Recorder present")
    expect(recorder).to_have_count(0)
    arsip = arrive()
    arsip.join(link, "perekam", "Arsip")
    expect(recorder).to_be_visible()
    arsip.button("Leave").click()
    expect(recorder).to_have_count(0)
    budi.button("Raise hand").click()
    expect(budi.button("Lower hand")).to_be_visible()
    expect(ketua.tile("Budi")).to_contain_text("hand raised")
    ketua.open_menu("Budi")
    ketua.keep("people")
    ketua.page.get_by_role("group", name="Actions for Budi").get_by_role("button", name="Lower hand").click()
    expect(budi.button("Raise hand")).to_be_visible()


def test_the_chair_asks_to_mute_mutes_gives_a_role_and_removes(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Chair")
    ketua, budi = arrive(), arrive()
    ketua.join(link, "ketua", "Ibu Ketua")
    budi.join(link, "kantor-2", "Budi")
    expect(ketua.tile("Budi")).not_to_contain_text("no microphone")
    ketua.open_menu("Budi")

    ketua.button("Ask to mute").click()
    expect(budi.page.get_by_role("status").filter(has_text="asks you to mute")).to_be_visible()
    expect(budi.page.locator(".bar").get_by_role("button", name="Mute", exact=True)).to_be_visible()
    ketua.button("Mute now").click()
    expect(budi.button("Unmute")).to_be_visible()

    ketua.button("Allow to unmute").click()
    ketua.button("Ask to unmute").click()
    budi.page.locator(".toast").filter(has_text="asks you to unmute").get_by_role("button", name="Unmute").click()
    expect(budi.page.locator(".bar").get_by_role("button", name="Mute", exact=True)).to_be_visible()

    ketua.field("Role of Budi").select_option("listener")
    expect(budi.button("Unmute")).to_be_disabled()
    expect(budi.button("Share screen")).to_be_disabled()
    expect(budi.page.get_by_text("Your role has changed. It is now “listener”.")).to_be_visible()
    ketua.field("Role of Budi").select_option("speaker")
    expect(budi.button("Unmute")).to_be_enabled()
    expect(budi.page.get_by_text("Ask the chair")).to_have_count(0)
    budi.button("Start camera").click()
    expect(ketua.picture("Budi")).to_be_visible()

    ketua.button("Remove").click()
    ketua.button("Remove Budi (kantor-2)").or_(ketua.button("Remove Budi (Kantor Dua)")).click()
    expect(budi.alert()).to_contain_text("The chair has removed you from the meeting.")
    expect(ketua.tile("Budi")).to_have_count(0)


@pytest.mark.parametrize("everybody", [True, False])
def test_who_was_muted_by_the_chair_stays_muted_until_both_agree(
    web_server: Server, arrive: Arrive, everybody: bool
) -> None:
    ketua, budi = arrive(), arrive()
    budi.page.add_init_script(TRACKS)
    link = web_server.room(f"Hold {everybody}")
    ketua.join(link, "ketua", "Ibu Ketua")
    budi.join(link, "kantor-2", "Budi")
    own = budi.page.locator(".bar")
    expect(own.get_by_role("button", name="Mute", exact=True)).to_be_visible()
    expect(ketua.tile("Budi")).not_to_contain_text("no microphone")
    ketua.open_menu("Budi")
    ketua.button("Mute all" if everybody else "Mute now").click()
    expect(ketua.tile("Budi")).to_contain_text("muted by a chair")
    refused = budi.page.get_by_text("The room does not let you speak now.")
    budi.button("Unmute").click()
    expect(refused).to_be_visible()

    ketua.button("Allow all to unmute" if everybody else "Allow to unmute").click()
    expect(budi.page.get_by_text("You can unmute yourself again.")).to_be_visible()
    expect(refused).to_have_count(0)
    # Another microphone is no wish to be heard.
    budi.button("Settings").click()
    budi.field("Microphone").select_option(index=1)
    budi.page.wait_for_function("() => window.tracks.filter(({ kind }) => kind === 'audio').length > 1")
    budi.page.keyboard.press("Escape")
    budi.button("Unmute").click()
    expect(own.get_by_role("button", name="Mute", exact=True)).to_be_visible()
    expect(ketua.tile("Budi")).not_to_contain_text("muted")


def test_the_chair_stops_the_camera_and_the_screen_of_one_person(web_server: Server, arrive: Arrive) -> None:
    ketua, budi, siti = arrive(), arrive(), arrive()
    budi.page.add_init_script(TRACKS)
    link = web_server.room("Hold one")
    ketua.join(link, "ketua", "Ibu Ketua")
    budi.join(link, "kantor-2", "Budi")
    siti.join(link, "kantor-1", "Siti")
    expect(ketua.picture("Budi")).to_be_visible()
    budi.button("Share screen").click()
    large = ketua.page.get_by_role("list", name="Large picture")
    expect(large).to_contain_text("Screen of Budi")
    ketua.open_menu("Budi")
    menu = ketua.page.get_by_role("group", name="Actions for Budi")
    menu.get_by_role("button", name="Stop sharing").click()
    expect(large).to_have_count(0)
    expect(budi.page.get_by_text("A chair has stopped the sharing of your screen.")).to_be_visible()
    budi.button("Share screen").click()
    expect(large).to_contain_text("Screen of Budi")
    budi.button("Stop sharing").click()
    expect(large).to_have_count(0)

    ketua.page.keyboard.press("Tab")
    menu.get_by_role("button", name="Stop camera").press("Enter")
    expect(menu.get_by_role("button", name="Allow camera")).to_be_focused()
    expect(budi.page.get_by_text("A chair has stopped your camera.")).to_be_visible()
    budi.page.wait_for_function(
        "() => window.tracks.every(({kind, readyState}) => kind === 'audio' || readyState === 'ended')"
    )
    expect(siti.tile("Budi").locator(".limit")).to_have_text("A chair has stopped this camera")
    expect(ketua.picture("Siti")).to_be_visible()
    refused = budi.page.get_by_text("The room does not let you show a picture now.")
    budi.button("Start camera").click()
    expect(refused).to_be_visible()

    # Who comes back is held as before.
    budi.button("Leave").click()
    budi.button("Join again").click()
    budi.fill_in("kantor-2", "Budi")
    budi.button("Join").click()
    ketua.button("Actions for Budi").click()
    menu.get_by_role("button", name="Allow camera").click()
    expect(budi.page.get_by_text("You can start your camera again.")).to_be_visible()
    budi.button("Start camera").click()
    expect(siti.picture("Budi")).to_be_visible()


def test_all_settings_of_a_permanent_room_are_saved_at_once(web_server: Server, arrive: Arrive) -> None:
    ketua, budi = arrive(), arrive()
    link = web_server.room("Hall")
    ketua.join(link, "ketua", "Ibu Ketua")
    ketua.button("People").click()
    ketua.button("Room settings").click()
    ketua.field("Title").fill("Aula")
    ketua.field("Most participants").fill("39")
    ketua.field("Lock the room: nobody else can join").check()
    ketua.button("Save").click()
    expect(ketua.page.get_by_role("dialog")).to_have_count(0)
    expect(ketua.page.get_by_role("banner")).to_contain_text(re.compile("Aula.*Locked", re.DOTALL))
    budi.try_to_join(link.on_the_web(link.port), "kantor-2", "Budi")
    expect(budi.alert()).to_contain_text("The room is locked.")
    ketua.button("Room settings").click()
    expect(ketua.field("Most participants")).to_have_value("39")


def test_the_chair_names_and_closes_the_meeting(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Close")
    ketua, budi = arrive(), arrive()
    ketua.join(link, "ketua", "Ibu Ketua")
    budi.join(link, "kantor-2", "Budi")
    ketua.button("People").click()
    ketua.button("Room settings").click()
    ketua.field("Title").fill("Rapat Anggaran")
    ketua.button("Save").click()
    expect(budi.page.get_by_role("heading", level=1)).to_have_text("Rapat Anggaran")

    ketua.button("Room settings").click()
    expect(ketua.field("Title")).to_have_value("Rapat Anggaran")
    ketua.button("Close the meeting").click()
    ketua.button("Close for everybody").click()
    expect(ketua.page.get_by_role("dialog")).to_contain_text("2 people are in the meeting")
    ketua.button("Yes, close the meeting").click()
    expect(budi.alert()).to_contain_text("The meeting was closed.")
    expect(ketua.alert()).to_contain_text("The meeting was closed.")
