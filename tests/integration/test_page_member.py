"""The session of the page, under Node, in a meeting with a native client on a real server."""

import asyncio
import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from tcclient import events
from tcclient.audio.opus import OpusEncoder
from tcclient.capture import SPEECH
from tcclient.capture.reader import open_audio
from tcclient.participant import Participant
from tcclient.room import Room
from tcclient.sources import EncodedAudio, EncodedAudioSource
from tcproto.errors import ErrorCode
from tcproto.link import Link
from tcproto.messages import ChatScope, Source
from tests.support.page_program import PAGE, bundled
from tests.support.processes.world import PASSWORD, PATIENCE, Run, Server, World, until, watching

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed here"),
    pytest.mark.skipif(
        not (PAGE / "node_modules" / "esbuild").exists(), reason=f"the npm packages are not installed: npm ci in {PAGE}"
    ),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The member as one file."""
    return bundled("member", tmp_path_factory.mktemp("page"))


class PageMember:
    """A member under Node: what it has told, and what it is told to do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.told: list[dict[str, Any]] = []
        self._process = process

    def do(self, **command: Any) -> None:
        """Tell it to do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def read(self) -> None:
        """Take what it tells, until its end."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.told.append(json.loads(line))

    def of(self, type_: str) -> list[dict[str, Any]]:
        """What it has told of one type."""
        return [told for told in self.told if told["type"] == type_]

    async def first(self, type_: str) -> dict[str, Any]:
        """The first that it tells of one type."""
        await until(lambda: self.of(type_), f"{type_} of the page; it told {self.told}")
        return self.of(type_)[0]

    async def ask(self, verb: str) -> dict[str, Any]:
        """What it answers now."""
        before = len(self.of(verb))
        self.do(verb=verb)
        await until(lambda: len(self.of(verb)) > before, verb)
        return self.of(verb)[-1]


@contextlib.asynccontextmanager
async def member(program: Path, link: Link, account: str, name: str = "Wati") -> AsyncIterator[PageMember]:
    assert link.fingerprint is not None
    process = await asyncio.create_subprocess_exec(
        "node", str(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 20
    )
    page = PageMember(process)
    reading = asyncio.create_task(page.read())
    try:
        page.do(
            host=link.host,
            port=link.port,
            fingerprint=link.fingerprint.hex(),
            account=account,
            password=PASSWORD,
            name=name,
            room=link.room,
            e2ee=link.e2ee,
        )
        yield page
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.wait_for(reading, PATIENCE)


async def together(page: PageMember, room: Room, count: int = 1) -> None:
    """Wait until both see each other, and both paths are proved."""
    await page.first("joined")
    await until(lambda: room.path_is_ok and len(room.participants) == count, "the native client sees the page")
    await until(lambda: {"type": "pathChanged", "state": "ok"} in page.told, "the path of the page is proved")


def only(room: Room) -> Participant:
    """The one other participant."""
    (participant,) = room.participants.values()
    return participant


def speech_frames(count: int) -> list[EncodedAudio]:
    encoder = OpusEncoder(bitrate=24_000)
    with contextlib.closing(iter(open_audio(SPEECH, samples=960, loop=False))) as pcm:
        return [EncodedAudio(encoder.encode(block), level=30, voice=True) for block in islice(pcm, count)]


def test_a_page_and_a_native_client_see_the_same_room(run: Run, world: World, server: Server, program: Path) -> None:
    async def main() -> None:
        link = server.room("Hall")
        async with member(program, link, "kantor-1") as page, world.client(link, "kantor-2", "Budi") as room:
            await together(page, room)
            roster = await page.ask("roster")
            assert {(one["account"], one["name"], one["verified"]) for one in roster["members"]} == {
                ("kantor-1", "Wati", True),
                ("kantor-2", "Budi", True),
            }
            assert roster["safetyCode"] == room.safety_code
            assert {one["deviceKey"] for one in roster["members"]} == {one.device_key.hex() for one in room.everybody}
            assert all(one.verified for one in room.everybody)

    run(main)


def test_sound_goes_both_ways(run: Run, world: World, server: Server, program: Path) -> None:
    async def main() -> None:
        link = server.room("Hall")
        async with member(program, link, "kantor-1") as page, world.client(link, "kantor-2", "Budi") as room:
            await together(page, room)
            page.do(verb="publish")
            number = (await page.first("publicationReady"))["number"]
            await until(lambda: any(track.source is Source.MICROPHONE for track in room.tracks), "the page's track")
            heard: list[Any] = []
            room.tracks[0].on_audio.append(heard.append)
            sent = [bytes((i,)) * 60 for i in range(20)]
            for i, payload in enumerate(sent):
                page.do(verb="audio", number=number, payload=payload.hex(), timestamp=960 * i)
            await until(lambda: len(heard) == len(sent), "the page is heard")
            assert [packet.payload for packet in heard] == sent
            assert all(told["sent"] for told in page.of("audioSent"))

            spoken = speech_frames(25)
            publication = await room.publish(EncodedAudioSource(iter(spoken)))
            await publication.wait()
            await until(lambda: len(page.of("media")) >= len(spoken), "the native client is heard")
            payloads = [told["payload"] for told in page.of("media")]
            assert payloads[: len(spoken)] == [frame.payload.hex() for frame in spoken]
            assert {told["participant"] for told in page.of("media")} == {room.me.id}
            assert any(room.me.id in told["started"] for told in page.of("speakers"))
            statistics = await page.ask("statistics")
            assert statistics["path"] == "ok"
            assert statistics["down"]["packets"] >= len(spoken)
            assert statistics["drops"] == {}

    run(main)


def test_texts_go_both_ways(run: Run, world: World, server: Server, program: Path) -> None:
    async def main() -> None:
        link = server.room("Hall")
        async with (
            member(program, link, "kantor-1") as page,
            world.client(link, "kantor-2", "Budi") as room,
            watching(room) as seen,
        ):
            await together(page, room)
            page.do(verb="chat", text="Selamat pagi", participant=0)
            page.do(verb="chat", text="hanya untukmu", participant=room.me.id)
            await until(lambda: len([e for e in seen if isinstance(e, events.ChatReceived)]) == 2, "two texts")
            texts = [event for event in seen if isinstance(event, events.ChatReceived)]
            assert [(text.text, text.scope, text.sealed, text.name) for text in texts] == [
                ("Selamat pagi", ChatScope.ROOM, True, "Kantor Satu / Wati"),
                ("hanya untukmu", ChatScope.PARTICIPANT, True, "Kantor Satu / Wati"),
            ]
            await until(lambda: len(page.of("chatSent")) == 2, "both were accepted")
            await room.chat("pagi\njuga")
            await room.chat("rahasia", to=only(room))
            await until(lambda: len(page.of("chatReceived")) == 2, "two texts of the native client")
            assert [(text["text"], text["scope"], text["sealed"]) for text in page.of("chatReceived")] == [
                ("pagi\njuga", "room", True),
                ("rahasia", "participant", True),
            ]

    run(main)


def test_a_new_key_follows_a_leave(run: Run, world: World, server: Server, program: Path) -> None:
    async def main() -> None:
        link = server.room("Hall")
        async with member(program, link, "kantor-1") as page, world.client(link, "kantor-2", "Budi") as room:
            async with world.client(link, "ketua", "Rini"):
                await together(page, room, 2)
                page.do(verb="publish")
                number = (await page.first("publicationReady"))["number"]
            await until(lambda: len(room.participants) == 1, "one has left")
            ring = room.connection.session.seat.member_keys[only(room).id].ring
            await until(lambda: ring.knows(2), "the page has made a new key")
            heard: list[Any] = []
            room.tracks[0].on_audio.append(heard.append)
            async with asyncio.timeout(PATIENCE):
                for i in count():
                    page.do(verb="audio", number=number, payload=bytes((i % 256,)).hex() * 40, timestamp=960 * i)
                    if heard and heard[-1].header.key_number == 2:
                        break
                    await asyncio.sleep(0.02)

    run(main)


def test_the_page_kicks_and_is_kicked(run: Run, world: World, server: Server, program: Path) -> None:
    async def main() -> None:
        link = server.room("Hall")
        async with member(program, link, "ketua") as page:
            async with world.client(link, "kantor-2", "Budi") as room, watching(room) as seen:
                await together(page, room)
                page.do(verb="kick", participant=room.me.id)
                await until(lambda: any(isinstance(event, events.Closed) for event in seen), "the native client is out")
                closed = next(event for event in seen if isinstance(event, events.Closed))
                assert closed.code is ErrorCode.KICKED
                left = await page.first("participantLeft")
                assert left["code"] == "kicked"
            async with world.client(link, "ketua", "Rini") as chair:
                await until(lambda: len(chair.participants) == 1, "the chair sees the page")
                await only(chair).kick("cukup")
                evicted = await page.first("evicted")
                assert evicted["code"] == "kicked"

    run(main)
