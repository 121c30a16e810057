"""The page in a real browser, against a real server: what a person does with it."""

import asyncio
import contextlib
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tcproto.link import Link
from tests.support.processes.network import Network
from tests.support.processes.world import PASSWORD, PATIENCE, Server, World
from tests.support.visitor import LOUDEST, PIXELS, TRACKS, Arrive

LOCKS = """
window.locks = [];
const request = WakeLock.prototype.request;
WakeLock.prototype.request = async function (...type) {
  const lock = await request.apply(this, type);
  window.locks.push(lock);
  return lock;
};
"""
"""Notes what keeps the screen on."""
SCREEN_SOUND = """
const share = MediaDevices.prototype.getDisplayMedia;
MediaDevices.prototype.getDisplayMedia = async function (...wishes) {
  const stream = await share.apply(this, wishes);
  const sound = await navigator.mediaDevices.getUserMedia({audio: true});
  stream.addTrack(sound.getAudioTracks()[0]);
  return stream;
};
"""
"""Gives a shared screen a sound: that of a screen without a window is silent."""
REFUSE = """
window.allowed = false;
const { get } = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, "state");
const resume = AudioContext.prototype.resume;
Object.defineProperty(BaseAudioContext.prototype, "state", {
  get() { return window.allowed ? get.call(this) : "suspended"; },
});
AudioContext.prototype.resume = function () {
  return window.allowed ? resume.call(this) : new Promise(() => undefined);
};
"""
"""Refuses sound before ``window.allowed`` is set, as browsers do before a click: this one never does."""
PAUSE = """() => {
  window.allowed = false;
  window.meter.context.suspend();
}"""
"""Stops all sound, as a telephone call does."""
SWITCHED_OFF = """
const open = MediaDevices.prototype.getUserMedia;
MediaDevices.prototype.getUserMedia = async function ({audio}) {
  if (audio === undefined) return open.apply(this, arguments);
  const context = new AudioContext();
  const voice = new OscillatorNode(context), cable = new GainNode(context, {gain: 0});
  const microphone = new MediaStreamAudioDestinationNode(context);
  voice.connect(cable).connect(microphone);
  voice.start();
  window.switchOn = () => {
    context.resume();
    cable.gain.value = 0.1;
  };
  return microphone.stream;
};
"""
"""Gives a microphone with a switch of its own, which is off."""
SPEAKERS = """ids => {
  navigator.mediaDevices.enumerateDevices = async () =>
    ids.map((id) => ({ deviceId: id, kind: "audiooutput", label: id }));
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
}"""
"""Plugs speakers in and out, as far as the page can tell."""
REFUSE_DEVICES = """name => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", name));
}"""
"""Opens no device from now on, and says why."""
UNPLUG = """kind => {
  const track = window.tracks.findLast((track) => track.kind === kind && track.readyState === "live");
  track.stop();
  track.dispatchEvent(new Event("ended"));
}"""
"""Does what a browser does when a device is unplugged: devices that are made up have no plug."""
BACK_SOON = re.compile("Coming back by itself, attempt")
TOLD = """() => {
  window.told = new Set();
  new MutationObserver(() => {
    for (const toast of document.querySelectorAll(".toast p")) window.told.add(toast.textContent);
  }).observe(document.body, {childList: true, subtree: true, characterData: true});
}"""
"""Notes what the page tells."""


@contextlib.contextmanager
def reset_on_demand(link: Link) -> Iterator[tuple[Link, Callable[[], None]]]:
    """A link to a server through a network, and what resets all connections in it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    network = Network(link)
    opened = network.open()
    try:
        through = asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result(PATIENCE)
        try:
            yield through, lambda: loop.call_soon_threadsafe(network.reset)
        finally:
            asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_two_people_meet_and_see_each_other(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Meet")
    siti, budi = arrive(), arrive()
    siti.page.add_init_script(LOCKS)
    siti.join(link, "kantor-1", "Siti")
    budi.join(link, "kantor-2", "Budi")
    expect(siti.picture("Budi")).to_be_visible()
    expect(budi.picture("Siti")).to_be_visible()
    # A picture that came is not of one colour.
    drawn = f"picture => new Set(atob(({PIXELS})(picture)[2]).match(/.{{4}}/gs)).size > 1"
    siti.page.wait_for_function(drawn, arg=siti.picture("Budi").element_handle())
    siti.keep("meeting")
    siti.page.wait_for_function("() => window.locks.length === 1 && !window.locks[0].released")
    siti.button("Full screen").click()
    siti.page.wait_for_function("() => document.fullscreenElement === document.documentElement")
    siti.button("Full screen").click()
    siti.page.wait_for_function("() => document.fullscreenElement === null")
    siti.button("Picture in picture").click()
    siti.page.wait_for_function("() => document.pictureInPictureElement?.videoWidth > 2")
    siti.button("Leave").click()
    siti.page.wait_for_function("() => document.pictureInPictureElement === null && window.locks[0].released")


def test_an_unplugged_device_is_replaced_with_a_word(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    siti.page.add_init_script(TRACKS)
    siti.join(web_server.room("Unplugged"), "kantor-1", "Siti")
    for kind, label in ("audio", "Fake .*Audio"), ("video", "fake_device"):
        siti.page.evaluate(UNPLUG, kind)
        expect(siti.page.get_by_text(re.compile(f"A device was unplugged. Now in use: {label}"))).to_be_visible()
    expect(siti.button("Mute")).to_be_visible()
    expect(siti.button("Stop camera")).to_be_visible()
    siti.page.evaluate(REFUSE_DEVICES, "NotFoundError")
    siti.page.evaluate(UNPLUG, "audio")
    expect(siti.page.get_by_text("The microphone was unplugged.")).to_be_visible()
    siti.page.evaluate(REFUSE_DEVICES, "NotAllowedError")
    siti.page.evaluate(UNPLUG, "video")
    expect(siti.page.get_by_text("The browser may not use the camera.")).to_be_visible()
    siti.page.evaluate(SPEAKERS, ["Loud", "Louder"])
    siti.button("Settings").click()
    siti.field("Speaker").select_option("Louder")
    expect(siti.page.get_by_text("The browser did not do that.")).to_be_visible()
    siti.page.evaluate(SPEAKERS, ["Loud"])
    expect(siti.page.get_by_text("Now in use: Default of the browser.")).to_be_visible()


def test_a_lost_connection_is_taken_up_again_and_nobody_else_sees_it(web_server: Server, arrive: Arrive) -> None:
    siti, budi = arrive(), arrive()
    budi.tap()
    direct = web_server.room("Reset")
    with reset_on_demand(direct) as (link, reset):
        siti.join(link, "kantor-1", "Siti")
        budi.join(direct, "kantor-2", "Budi")
        budi.button("Mute").click()
        expect(siti.tile("Budi")).to_contain_text("muted")
        siti.button("Raise hand").click()
        expect(budi.tile("Siti")).to_contain_text("hand raised")
        for visitor in (siti, budi):
            visitor.page.evaluate(TOLD)
            visitor.button("Chat").click()
        reset()
        for _ in range(int(PATIENCE * 10)):
            if web_server.logged("resumed"):
                break
            siti.page.wait_for_timeout(100)
        assert web_server.logged("resumed")
        siti.field("Message").fill("back again")
        siti.button("Send").click()
        expect(budi.page.get_by_role("log")).to_contain_text("back again")
        expect(budi.tile("Siti")).to_contain_text("hand raised")
        budi.page.wait_for_function(f"() => ({LOUDEST})() > 0.02")
        expect(budi.tile("Siti")).to_have_class(re.compile("speaking"))
        told = budi.page.evaluate("[...window.told]") + siti.page.evaluate("[...window.told]")
        assert not any("has left" in text for text in told), told


@pytest.mark.usefixtures("page_files")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_pages_return_to_a_server_that_ended(
    template: Path, tmp_path: Path, arrive: Arrive, end: signal.Signals
) -> None:
    world = World(Path(shutil.copytree(template, tmp_path / "server")), tmp_path)
    siti, budi = arrive(), arrive()
    with world.process() as server:
        link = server.room("Return")
        siti.join(link, "kantor-1", "Siti")
        budi.join(link, "kantor-2", "Budi")
        expect(siti.picture("Budi")).to_be_visible()
        expect(budi.picture("Siti")).to_be_visible()
        # At an orderly end somebody is told of the leaves of others and of the end at once.
        server.process.send_signal(end)
        server.process.wait(PATIENCE)
    for visitor, other in ((siti, "Budi"), (budi, "Siti")):
        expect(visitor.page.get_by_text(BACK_SOON)).to_be_visible()
        expect(visitor.picture(other)).to_have_count(0)
    with world.process(f"server.port={link.port}"):
        for visitor in (siti, budi):
            visitor.page.evaluate("dispatchEvent(new Event('online'))")  # Else the next attempt may be 15 s away.
            expect(visitor.page.get_by_text(BACK_SOON)).to_have_count(0)
        for visitor, other in ((siti, "Budi"), (budi, "Siti")):
            expect(visitor.picture(other)).to_be_visible()


@pytest.mark.usefixtures("page_files")
def test_a_connection_that_stands_still_is_told(template: Path, tmp_path: Path, arrive: Arrive) -> None:
    world = World(Path(shutil.copytree(template, tmp_path / "server")), tmp_path)
    siti = arrive()
    with world.process() as server:
        siti.join(server.room("Still"), "kantor-1", "Siti")
        told = siti.page.get_by_text("The connection does not work at the moment.")
        expect(told).to_have_count(0)
        server.process.send_signal(signal.SIGSTOP)
        try:
            expect(told).to_be_visible()
        finally:
            server.process.send_signal(signal.SIGCONT)
        expect(told).to_have_count(0)
        expect(siti.button("Leave")).to_be_visible()


def test_texts_come_to_everybody_or_to_one_and_are_counted(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Texts")
    siti, budi = arrive(), arrive()
    siti.join(link, "kantor-1", "Siti")
    budi.join(link, "kantor-2", "Budi")
    siti.button("Chat").click()
    siti.field("Message").fill("Selamat pagi: https://dinas.example/bahan.pdf.")
    siti.button("Send").click()
    expect(siti.page.get_by_role("log")).to_contain_text("Selamat pagi")
    expect(budi.button("Chat")).to_have_attribute("aria-description", "1 unread")
    expect(budi.page.get_by_text("1 unread, the last from Kantor Satu / Siti")).to_have_attribute("role", "status")
    budi.button("Chat").click()
    expect(budi.page.get_by_role("log")).to_contain_text("Selamat pagi")
    expect(budi.button("Chat")).not_to_have_attribute("aria-description", re.compile("unread"))
    link_to_follow = budi.page.get_by_role("link", name="https://dinas.example/bahan.pdf", exact=True)
    expect(link_to_follow).to_have_attribute("target", "_blank")
    expect(link_to_follow).to_have_attribute("rel", "noopener noreferrer")

    budi.field("To").select_option(label="Siti (Kantor Satu)")
    budi.field("Message").fill("only for you")
    budi.field("Message").press("Enter")
    expect(siti.page.get_by_role("log")).to_contain_text("private")
    expect(siti.page.get_by_role("log")).to_contain_text("only for you")
    siti.keep("chat")


def test_a_microphone_is_muted_for_all_and_the_space_bar_opens_it(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Mute")
    siti, budi = arrive(), arrive()
    siti.join(link, "kantor-1", "Siti")
    budi.join(link, "kantor-2", "Budi")
    siti.button("Mute").click()
    expect(siti.button("Unmute")).to_be_visible()
    expect(budi.tile("Siti")).to_contain_text("muted")
    siti.page.keyboard.down("Space")
    expect(siti.button("Mute")).to_be_visible()
    expect(budi.tile("Siti")).not_to_contain_text("muted")
    siti.page.keyboard.up("Space")
    expect(siti.button("Unmute")).to_be_visible()


def test_a_microphone_that_gives_no_sound_is_told(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    siti.page.add_init_script(SWITCHED_OFF)
    siti.join(web_server.room("Switch"), "kantor-1", "Siti")
    told = siti.page.get_by_text("No sound comes from your microphone")
    expect(told).to_be_visible()
    siti.button("Mute").click()
    expect(told).to_have_count(0)
    siti.button("Unmute").click()
    siti.page.evaluate("window.switchOn()")
    expect(siti.tile("Siti (you)")).to_have_class(re.compile("speaking"))


def test_the_space_bar_opens_a_microphone_that_was_off_before_the_meeting(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Space")
    siti, budi = arrive(), arrive()
    siti.page.goto(link.on_the_web(link.port))
    siti.button("Mute").click()
    budi.join(link, "kantor-2", "Budi")
    siti.join(link, "kantor-1", "Siti")
    expect(budi.tile("Siti")).to_contain_text("no microphone")
    siti.page.keyboard.down("Space")
    expect(siti.button("Mute")).to_be_visible()
    expect(budi.tile("Siti")).to_have_class(re.compile("speaking"))
    siti.page.keyboard.up("Space")
    expect(budi.tile("Siti")).to_contain_text("muted")


def test_a_button_that_can_do_nothing_says_so(web_server: Server, arrive: Arrive) -> None:
    siti = arrive()
    siti.join(web_server.room("Alone"), "kantor-1", "Siti")
    siti.button("Picture in picture").click()
    expect(siti.page.get_by_text("Nobody else shows a picture now.")).to_be_visible()


def test_a_camera_that_stops_leaves_the_initials(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Camera")
    siti, budi = arrive(), arrive()
    siti.join(link, "kantor-1", "Siti Rahmawati")
    budi.join(link, "kantor-2", "Budi")
    siti.button("Stop camera").click()
    expect(siti.button("Start camera")).to_be_visible()
    expect(budi.picture("Siti Rahmawati")).to_have_count(0)
    expect(budi.tile("Siti Rahmawati")).to_contain_text("SR")


def test_a_shared_screen_is_large_and_heard(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Screen")
    siti, budi = arrive(), arrive()
    siti.page.add_init_script(SCREEN_SOUND)
    budi.tap()
    siti.join(link, "kantor-1", "Siti")
    budi.join(link, "kantor-2", "Budi")
    siti.button("Mute").click()
    expect(budi.tile("Siti")).not_to_have_class(re.compile("speaking"))
    siti.button("Share screen").click()
    expect(siti.button("Stop sharing")).to_be_visible()
    large = budi.page.get_by_role("list", name="Large picture")
    expect(large).to_contain_text("Screen of Siti")
    budi.page.wait_for_function(f"() => ({LOUDEST})() > 0.02")
    siti.button("Stop sharing").click()
    expect(large).to_have_count(0)


def test_the_data_saver_leaves_the_sound_and_a_click_starts_it_again(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Saver")
    siti, budi = arrive(), arrive()
    siti.tap()
    siti.page.add_init_script(REFUSE)
    siti.join(link, "kantor-1", "Siti")
    budi.join(link, "kantor-2", "Budi")
    expect(siti.picture("Budi")).to_be_visible()
    siti.button("Settings").click()
    expect(siti.page.get_by_role("dialog")).to_contain_text(re.compile(r"Since the page was opened\s*[0-9.]+ MB sent"))
    siti.field("Data saver").check()
    siti.page.keyboard.press("Escape")
    expect(siti.picture("Budi")).to_have_count(0)
    expect(siti.tile("Budi")).to_contain_text("Data saver: no picture")
    expect(siti.tile("Budi")).to_have_class(re.compile("speaking"))
    paused = siti.page.get_by_text("The browser has stopped the sound.")
    for _ in range(2):
        expect(paused).to_be_visible()
        siti.page.evaluate("window.allowed = true")
        siti.tile("Budi").click()
        expect(paused).to_have_count(0)
        siti.page.wait_for_function(f"() => ({LOUDEST})() > 0.02")
        siti.page.evaluate(PAUSE)


def test_an_agency_changes_the_password_that_it_was_given(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Password")
    siti = arrive()
    siti.join(link, "single", "Siti")
    siti.button("Settings").click()
    siti.button("Change password").click()
    dialog = siti.page.get_by_role("dialog")
    for current in ("not this one", PASSWORD):
        dialog.get_by_label("Present password", exact=True).fill(current)
        dialog.get_by_label("New password", exact=True).fill("a longer one of our own")
        dialog.get_by_role("button", name="Change password", exact=True).click()
        if current != PASSWORD:
            expect(siti.alert()).to_have_text("The present password is wrong. Nothing was changed.")
    expect(siti.page.get_by_text("The password was changed.")).to_be_visible()
    siti.button("Leave").click()
    siti.button("Join again").click()
    siti.fill_in("single", "Siti", "a longer one of our own")
    siti.button("Join").click()
    expect(siti.button("Leave")).to_be_visible()
