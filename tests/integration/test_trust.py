"""What a client remembers of servers and devices, and its messages when they differ."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tcclient.cli.main import main as tcclient
from tcclient.errors import LinkContradictsPin
from tcclient.events import Event, NewDevice, TrustFault
from tcclient.trust.identity import KNOWN_SERVERS_FILE, KnownServers, load_device_identity
from tcclient.trust.known_devices import KNOWN_DEVICES_FILE
from tcproto.identity import format_fingerprint
from tests.support.processes.client_process import COMMAND, taking_part
from tests.support.processes.world import PASSWORD, Run, Server, World, until, watching

pytestmark = pytest.mark.usefixtures("measured")

OTHER = bytes(range(20))


def new_devices(events: list[Event]) -> list[tuple[str, bytes]]:
    return [(e.participant.account, e.participant.device_key) for e in events if isinstance(e, NewDevice)]


def test_a_new_device_of_a_known_account_is_told_once(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link) as room, watching(room) as seen:
                async with world.client(link, "kantor-2", "Budi"):
                    await until(lambda: len(room.participants) == 1)
                assert new_devices(seen) == []
            # The new device comes while we are in, or is there when we come.
            async with (
                world.client(link) as room,
                watching(room) as seen,
                world.client(link, "kantor-2", "Eka") as other,
            ):
                await until(lambda: new_devices(seen))
                assert new_devices(seen) == [("kantor-2", other.me.device_key)]
            async with (
                world.client(link, "kantor-2", "Tono") as third,
                world.client(link, "kantor-2", "Eka"),
                world.client(link) as room,
                watching(room) as seen,
            ):
                await until(lambda: len(room.participants) == 2)
                assert new_devices(seen) == [("kantor-2", third.me.device_key)]
            async with world.client(link, "kantor-2", "Tono"), world.client(link) as room, watching(room) as seen:
                await until(lambda: len(room.participants) == 1)
                assert new_devices(seen) == []

    run(main)


def test_a_link_that_contradicts_what_is_known_stops_before_anybody_is_asked(
    run: Run, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            assert link.fingerprint is not None
            async with world.client(link, data=str(data)):
                pass
            false = server.room("Hall", fingerprint=OTHER)
            with pytest.raises(LinkContradictsPin) as caught:
                async with world.client(false, data=data):
                    pass
            assert (caught.value.pinned, caught.value.fingerprint) == (link.fingerprint, OTHER)
            for words in (format_fingerprint(OTHER), format_fingerprint(link.fingerprint), f"forget {link.address}"):
                assert words in str(caught.value)
            assert KnownServers(data).pinned(link.host, link.port) == link.fingerprint
            KnownServers(data).forget(link.host, link.port)
            KnownServers(data).pin(link.host, link.port, OTHER)
            assert tcclient(["forget", link.address, "--data", str(data)]) == 0
            assert capsys.readouterr().out == f"forgot {link.address} {format_fingerprint(OTHER)}\n"
            async with world.client(link, data=data):
                pass

    data = world.place / "client"
    run(main)


def test_a_damaged_line_is_told_and_nobody_leaves_for_it(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link):
                pass
            data = world.place / "kantor-1 Sri"
            for name in (KNOWN_SERVERS_FILE, KNOWN_DEVICES_FILE):
                with (data / name).open("ab") as file:
                    file.write(b"\xff damaged\n")
            async with world.client(server.room("Hall", fingerprint=None)) as room, watching(room) as seen:
                await until(lambda: sum(isinstance(e, TrustFault) for e in seen) == 2)

    run(main)


def test_people_log_in_to_a_server_that_was_restored_from_a_running_one(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link):
                done = await world.acommand("backup", str(backup))
                assert done.returncode == 0, done.stderr
        restored = World(world.place / "restored", world.place)
        done = await restored.acommand("restore", str(backup))
        assert done.returncode == 0, done.stderr
        # The same device knows the server: the link and the password need not change.
        async with restored.serving() as server, world.client(server.room("Hall")) as room:
            assert server.link.fingerprint == link.fingerprint
            assert room.info.name == "hall"

    backup = world.place / "conference.backup"
    run(main)


def test_the_command_line_tells_a_new_device(server: Server, tmp_path: Path) -> None:
    link = server.room("Hall")

    def join(device: str, user: str) -> str:
        options = ["--user", user, "--password-stdin", "--seconds", "0.5", "--data", str(tmp_path / device)]
        done = subprocess.run(
            [*COMMAND, "join", str(link), *options],
            input=PASSWORD + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    with taking_part(link, tmp_path / "watching") as watching:
        join("one", "kantor-1")
        join("two", "kantor-1")
        assert watching.stdout is not None
        lines = (json.loads(line) for line in watching.stdout)
        told = next(line for line in lines if line["event"] == "new_device")
    assert told["account"] == "kantor-1"
    assert told["who"] == "Kantor Satu / kantor-1"
    assert told["device_key"] == load_device_identity(tmp_path / "two").public.hex()
    with taking_part(link, tmp_path / "another"):
        warning = "WARNING: Kantor Dua / kantor-2 is on a device that kantor-2 was not seen with before"
        assert warning in join("one", "kantor-1")
        assert "WARNING" not in join("one", "kantor-1")
