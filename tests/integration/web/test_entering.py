"""The way into a meeting on the page: languages, devices, and what is refused."""

import re
from dataclasses import replace

from playwright.sync_api import expect

from tests.support.processes.world import PATIENCE, Server
from tests.support.visitor import LOUDEST, Arrive, address


def test_who_leaves_by_the_button_alone_is_not_asked_and_can_join_again(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Again")
    siti, budi = arrive(), arrive()
    budi.join(link, "kantor-2", "Budi")
    siti.join(link, "kantor-1", "Siti")
    expect(budi.tile("Siti")).to_be_visible()
    asked: list[str] = []
    siti.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    siti.page.evaluate("setTimeout(() => location.reload())")
    for _ in range(int(PATIENCE * 10)):
        if asked:
            break
        siti.page.wait_for_timeout(100)
    expect(siti.tile("Budi")).to_be_visible()
    siti.button("Leave").click()
    expect(siti.page.get_by_role("heading", name="You have left the meeting")).to_be_visible()
    expect(budi.tile("Siti")).to_have_count(0)
    siti.button("Join again").click()
    expect(siti.field("User name")).to_have_value("kantor-1")
    expect(siti.field("Your name")).to_have_value("Siti")
    expect(siti.field("Password")).to_have_value("")
    siti.page.reload()
    siti.fill_in("kantor-1", "Siti")
    siti.button("Join").click()
    expect(budi.tile("Siti")).to_be_visible()
    assert asked == ["beforeunload"]


def test_a_wrong_password_is_told_in_one_sentence(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    siti.try_to_join(address(web_server, "Wrong"), "kantor-1", "Siti", "not this one")
    expect(siti.alert()).to_contain_text("The user name or the password is wrong.")
    siti.keep("wrong-password")
    siti.fill_in("kantor-1", "Siti")
    siti.button("Join").click()
    expect(siti.button("Leave")).to_be_visible()
    expect(siti.alert()).to_have_count(0)


def test_a_name_that_cannot_be_is_told(web_server: Server, arrive: Arrive) -> None:
    told = "One of the names is not allowed"
    siti, budi = arrive(), arrive()
    siti.try_to_join(address(web_server, "x" * 100), "kantor-1", "Siti")
    expect(siti.alert()).to_contain_text(told)
    budi.try_to_join(address(web_server, "Names"), "kantor 1", "Budi")
    expect(budi.alert()).to_contain_text(told)
    budi.fill_in("kantor-1", "Budi")
    budi.button("Join").click()
    expect(budi.button("Leave")).to_be_visible()


def test_a_wrong_fingerprint_is_found_before_the_password_is_used(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    right = address(web_server, "Finger")
    wrong = right[:-4] + ("AAAA" if right[-4:] != "AAAA" else "BBBB")
    siti.try_to_join(f"{wrong}&later=1", "kantor-1", "Siti")
    expect(siti.alert()).to_contain_text("This is not the server that the link names.")
    expect(siti.page.get_by_text("words that this page does not know: later=1.")).to_be_visible()


def test_a_link_that_was_cut_off_is_told(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    siti.try_to_join(address(web_server, "Cut")[:-5], "kantor-1", "Siti")
    expect(siti.alert()).to_contain_text("This is not the server that the link names. Do not give your password.")


def test_a_room_without_encryption_is_entered_only_with_consent(web_server: Server, arrive: Arrive) -> None:
    link = replace(web_server.room("Open"), e2ee=False)
    siti = arrive()
    siti.try_to_join(link.on_the_web(link.port), "kantor-1", "Siti")
    consent = siti.page.get_by_role("checkbox", name="This room is not encrypted from end to end")
    expect(consent).to_be_focused()
    consent.check()
    siti.button("Join").click()
    expect(siti.page.get_by_role("banner")).to_contain_text("Not encrypted")
    # The same room with a link that promises encryption.
    budi = arrive()
    budi.try_to_join(replace(link, e2ee=True).on_the_web(link.port), "kantor-2", "Budi")
    expect(budi.alert()).to_contain_text("The link and the room do not agree")
    budi.page.goto("about:blank")
    budi.try_to_join(link.on_the_web(link.port), "kantor-2", "Budi")
    budi.page.get_by_role("checkbox").check()
    budi.button("Join").click()
    budi.button("Chat").click()
    budi.field("Message").fill("read by the server, too")
    budi.button("Send").click()
    siti.button("Chat").click()
    expect(siti.page.get_by_role("log")).to_contain_text("read by the server, too")
    expect(siti.tile("Budi")).to_have_class(re.compile("speaking"))


def test_a_full_room_is_told(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Nook")
    siti, budi = arrive(), arrive()
    siti.join(link, "kantor-1", "Siti")
    budi.try_to_join(link.on_the_web(link.port), "kantor-2", "Budi")
    expect(budi.alert()).to_contain_text("The room is full.")


def test_listening_needs_no_device(web_server: Server, arrive: Arrive) -> None:
    siti = arrive(permissions=[])
    siti.page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"
    )
    link = web_server.room("Listen")
    siti.tap()
    siti.page.goto(link.on_the_web(link.port))
    expect(siti.page.get_by_text("The browser may not use the microphone.")).to_be_visible()
    siti.button("Test sound").click()
    siti.page.wait_for_function(f"() => ({LOUDEST})() > 0.1")
    expect(siti.button("Test sound")).to_be_enabled()
    siti.join(link, "kantor-1", "Siti")
    expect(siti.button("Unmute")).to_be_visible()
    expect(siti.button("Start camera")).to_be_visible()


def test_who_has_no_device_is_told_before_the_meeting_and_when_one_is_wanted(
    web_server: Server, arrive: Arrive
) -> None:
    siti = arrive()
    siti.page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))"
    )
    link = web_server.room("Bare")
    siti.page.goto(link.on_the_web(link.port))
    microphone, camera = (siti.page.get_by_text(f"No {kind} was found.") for kind in ("microphone", "camera"))
    expect(microphone).to_be_visible()
    expect(camera).to_be_visible()
    siti.fill_in("kantor-1", "Siti", "not this one")
    siti.button("Join").click()
    expect(siti.alert()).to_be_visible()
    expect(microphone).to_be_visible()
    siti.fill_in("kantor-1", "Siti")
    siti.button("Join").click()
    siti.button("Leave").wait_for()
    expect(microphone).to_have_count(0)
    expect(camera).to_have_count(0)
    siti.button("Unmute").click()
    expect(microphone).to_be_visible()


def test_the_page_speaks_the_language_of_the_browser_and_then_the_chosen_one(
    web_server: Server, arrive: Arrive
) -> None:
    siti = arrive(locale="id-ID")
    siti.page.goto(address(web_server, "Bahasa"))
    expect(siti.button("Masuk")).to_be_visible()
    assert siti.page.evaluate("document.documentElement.lang") == "id"
    siti.field("Bahasa").select_option("en")
    expect(siti.button("Join")).to_be_visible()
    siti.page.reload()
    expect(siti.button("Join")).to_be_visible()


def test_without_a_room_in_the_address_it_is_asked_for(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    siti.page.goto(address(web_server, ""))
    siti.field("Room").fill("Asked")
    siti.fill_in("kantor-1", "Siti")
    siti.button("Join").click()
    expect(siti.button("Leave")).to_be_visible()
    assert "/Asked#fp=" in siti.page.url
