"""The operator's commands on a running server, with real clients."""

import json
import os
import re
import socket
import stat

import pytest

from tcclient import PathState, events
from tcclient.sources import tone
from tcserver.daemon.local_socket import MAX_CONNECTIONS, ask
from tests.support.processes.world import Run, World, until, watching


def test_show_notice_kick_and_close(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("hall")
            async with world.client(link, name="Sri") as room, world.client(link, "kantor-2", "Tono") as other:
                await room.publish(tone())
                await until(lambda: other.tracks, "the track")
                await until(lambda: all(each.path is PathState.OK for each in (room, other)), "UDP")
                shown = json.loads((await world.acommand("room", "show", "HALL", "--json")).stdout)
                (seat,) = [seat for seat in shown[0]["seats"] if seat["account"] == "kantor-1"]
                assert (seat["path"], seat["name"], seat["publications"]) == ("udp", "Sri", {"microphone": False})
                assert seat["sent"] > 0
                table = (await world.acommand("room", "show")).stdout
                assert table.startswith("hall: 2 of ")
                assert "Tono" in table

                async with watching(other) as seen:
                    told = await world.acommand("notice", "Ten minutes left", "--room", "hall")
                    assert told.stdout == "told to 2 participants\n"
                    await until(lambda: [e for e in seen if isinstance(e, events.ChatReceived)], "the notice")
                    figures = json.loads((await world.acommand("statistics", "--json")).stdout)
                    assert (figures["now"]["seats"], figures["now"]["seats_proven"]) == (2, 2)
                    assert figures["media"]["forwarded"] > 0
                    assert re.search(r"^now\.rooms +1$", (await world.acommand("statistics")).stdout, re.MULTILINE)
                    muted = await world.acommand("mute", "hall", "kantor-1")
                    assert (muted.returncode, muted.stdout) == (0, "microphone of 1 participant held muted\n")
                    await until(lambda: other.tracks[0].info.held, "the hold")
                    freed = await world.acommand("mute", "hall", "kantor-1", "--release", "--json")
                    assert json.loads(freed.stdout) == {"participants": 1}
                    await until(lambda: not other.tracks[0].info.held, "its end")
                    kicked = await world.acommand("kick", "hall", "kantor-1", "--reason", "come back later")
                    assert (kicked.returncode, kicked.stdout) == (0, "1 participant removed\n")
                    await until(lambda: room.closed is not None, "the end of the seat")
                    assert "come back later" in str(room.closed)
                    closed = await world.acommand("room", "close", "hall", "--json")
                    assert json.loads(closed.stdout) == {"participants": 1}
                    await until(lambda: other.closed is not None, "the end of the meeting")

    run(main)


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        (("kick", "hall", "nobody"), 2, "the room 'hall' is not open"),
        (("room", "close", "hall"), 2, "the room 'hall' is not open"),
        (("room", "show", "hall"), 2, "the room 'hall' is not open"),
        (("notice", ""), 2, "the notice is empty"),
        (("notice", "hello"), 0, ""),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: Run, world: World, command: tuple[str, ...], status: int, says: str
) -> None:
    async def main() -> None:
        async with world.serving():
            done = await world.acommand(*command)
            assert done.returncode == status
            assert done.stderr == (f"tcserver: {says}\n" if says else "")

    run(main)


def test_without_a_server_the_commands_say_so(world: World) -> None:
    for command in (("room", "show"), ("notice", "hello"), ("kick", "hall", "kantor-1"), ("room", "close", "hall")):
        done = world.command(*command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"tcserver: no server is running on {world.data}; name the data directory with --data\n"


def test_the_socket_is_the_owners_and_goes_with_the_server(run: Run, world: World) -> None:
    path = world.data / "socket"

    async def main() -> None:
        async with world.serving():
            mode = os.lstat(path).st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o600

    run(main)
    assert not path.exists()
    path.touch()  # the remains of a killed server are replaced
    run(main)


def test_connections_that_ask_nothing_keep_no_command_waiting_for_long(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tcserver.daemon.local_socket.TIME_LIMIT", 0.3)

    async def main() -> None:
        async with world.serving():
            silent = [socket.socket(socket.AF_UNIX) for _ in range(MAX_CONNECTIONS)]
            for each in silent:
                each.connect(str(world.data / "socket"))

            async def answered() -> bool:
                return (await world.acommand("room", "show")).returncode == 0

            tries = 0
            while not await answered():
                tries += 1
                assert tries < 20
            for each in silent:
                each.close()

    run(main)


def test_a_data_directory_may_have_any_length(run: Run, world: World) -> None:
    async def main() -> None:
        deep = world.data / ("d" * 100) / ("e" * 100)
        deep.mkdir(parents=True, mode=0o700)
        async with World(deep, world.place).serving():
            done = await World(deep, world.place).acommand("room", "show")
            assert (done.returncode, done.stdout) == (0, "no room is open\n")

    run(main)


def test_a_server_that_says_nothing_is_told(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcserver.daemon.local_socket.ANSWER_LIMIT", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "socket"))
        silent.listen()
        with pytest.raises(OSError, match="did not answer within"):
            ask(tmp_path, b"{}")


def test_health_and_check_of_a_server_that_works(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            at = ["--set", "server.addresses=127.0.0.1", "--set", f"server.port={server.link.port}"]
            healthy = await world.acommand("health", *at)
            assert healthy.returncode == 0, healthy.stderr
            assert re.fullmatch(r"TCP \d+\.\d ms, UDP \d+\.\d ms\n", healthy.stdout)
            told = json.loads((await world.acommand("health", "--json", *at)).stdout)
            assert told["healthy"]
            assert told["udp_ms"] > 0
            checked = await world.acommand("check", "--set", "server.public_host=localhost", *at)
            answers = rf"{server.link.port}/tcp answers in [\d.]+ ms, {server.link.port}/udp answers in [\d.]+ ms"
            assert re.search(rf"^ports +{answers}; a firewall has to let in ", checked.stdout, re.MULTILINE)
            assert re.search(rf"^way to it +localhost: {answers}$", checked.stdout, re.MULTILINE)
            assert checked.returncode == 0
            elsewhere = await world.acommand("check", "--set", "server.public_host=nowhere.invalid", *at)
            assert "Not all routers let a machine reach itself" in elsewhere.stdout
            assert elsewhere.returncode == 0

    run(main)


def test_a_server_whose_media_do_not_answer_is_not_healthy(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving(faults__datagram_loss=1) as server:
            done = await world.acommand(
                "health", "--set", "server.addresses=127.0.0.1", "--set", f"server.port={server.link.port}"
            )
            assert done.returncode == 1
            assert done.stdout.endswith("UDP no answer\n")

    run(main)


def test_another_server_at_the_address_is_told(run: Run, world: World) -> None:
    async def main() -> None:
        other = World(world.place / "other", world.place)
        assert (await other.acommand("account", "add", "a", "--generate")).returncode == 0
        async with world.serving() as server:
            at = ["--set", "server.addresses=127.0.0.1", "--set", f"server.port={server.link.port}"]
            health, check = [await other.acommand(command, *at) for command in ("health", "check")]
            assert (health.returncode, check.returncode) == (1, 1)
            assert health.stderr.endswith("another server answers\n")
            assert f"{server.link.port} cannot be used: Address already in use" in check.stdout

    run(main)
