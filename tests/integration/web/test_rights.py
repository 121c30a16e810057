"""What the room lets somebody do, and who has the turn, on the page."""

import shutil
from pathlib import Path

from playwright.sync_api import expect

from tests.support.processes.world import Server, World
from tests.support.visitor import Arrive


def test_what_the_operator_takes_from_a_role_is_off_at_once_and_can_be_used_again(
    template: Path, page_files: Path, tmp_path: Path, arrive: Arrive
) -> None:
    world = World(Path(shutil.copytree(template, tmp_path / "server")), tmp_path)
    assert world.command("room", "add", "Lecture").returncode == 0
    with world.process() as server:
        link = server.room("Lecture")
        siti, budi = arrive(), arrive()
        siti.join(link, "kantor-1", "Siti")
        budi.join(link, "kantor-2", "Budi")
        expect(budi.picture("Siti")).to_have_count(1)

        assert world.command("room", "permit", "Lecture", "speaker", "hear", "voice").returncode == 0
        expect(siti.page.get_by_text("What your role may do in this room has changed.")).to_be_visible()
        expect(siti.button("Start camera")).to_be_disabled()
        expect(siti.button("Start camera")).to_have_attribute(
            "title", "Start camera: Your role may not do that in this room"
        )
        expect(siti.button("Mute")).to_be_enabled()
        expect(budi.picture("Siti")).to_have_count(0)
        siti.button("Chat").click()
        expect(siti.page.get_by_text("Your role may only read")).to_be_visible()

        assert world.command("room", "permit", "Lecture", "speaker", "default").returncode == 0
        expect(siti.button("Start camera")).to_be_enabled()
        siti.button("Start camera").click()
        expect(budi.picture("Siti")).to_have_count(1)


def test_hands_have_their_place_in_the_line_and_the_chair_calls_them(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Line")
    ketua, budi, siti = arrive(), arrive(), arrive()
    for visitor, user, name in ((ketua, "ketua", "Ibu Ketua"), (budi, "kantor-2", "Budi"), (siti, "kantor-1", "Siti")):
        visitor.join(link, user, name)
    ketua.button("People").click()
    people = ketua.page.get_by_role("list", name="People").get_by_role("listitem")
    call = ketua.button("Call the next hand")
    expect(call).to_be_disabled()
    for visitor, name in ((siti, "Siti"), (budi, "Budi")):
        visitor.button("Raise hand").click()
        expect(people.filter(has_text=name)).to_contain_text("hand raised")
    expect(people.nth(0)).to_contain_text("Siti")
    expect(people.nth(0)).to_contain_text("hand raised, number 1")
    expect(people.nth(1)).to_contain_text("hand raised, number 2")
    call.click()
    expect(siti.button("Raise hand")).to_be_visible()
    expect(people.nth(0)).to_contain_text("Budi")
    expect(people.nth(0)).to_contain_text("hand raised, number 1")
    call.click()
    expect(budi.button("Raise hand")).to_be_visible()
    expect(call).to_be_disabled()
