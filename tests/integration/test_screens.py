"""Sound of a screen beside a microphone: its permission, its listeners, and its recording."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tcclient
from tcclient.audio.gate import GateMode
from tcclient.audio.tone import sine
from tcclient.capture import CLIP, SPEECH
from tcclient.cli import attend
from tcclient.cli.exits import UNTRUSTED
from tcclient.cli.main import main as command_line
from tcclient.core import events as core
from tcclient.errors import SourceError
from tcclient.trust.account_secret import AccountSecret
from tcproto.errors import Action, ErrorCode
from tcproto.messages import Source
from tests.integration.test_encoded_frames import stored
from tests.support.processes.two_rooms import track_of, two
from tests.support.processes.world import PASSWORD, Run, World, until

pytestmark = pytest.mark.usefixtures("measured")


def beep(frequency: float, seconds: float) -> Any:
    return sine(frequency, round(48_000 * seconds))


def pitch(blocks: list[Any]) -> float:
    """Return the strongest frequency, in Hz."""
    sound = np.concatenate(blocks).astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(sound))) * 48_000 / len(sound))


def test_sound_of_a_screen_is_heard_and_recorded_beside_the_microphone(run: Run, world: World, tmp_path: Path) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            b.record(str(tmp_path / "recording"))
            mixed = b.listen()
            sources = (
                tcclient.AudioSource([beep(400, 30)]),
                tcclient.AudioSource([beep(1000, 30)], source=Source.SCREEN_AUDIO),
            )
            microphone, screen = await a.publish_together(*sources, gate=GateMode.PUSH_TO_TALK)
            track = await track_of(b, Source.SCREEN_AUDIO)
            assert (track.kind, str(track.source)) == (tcclient.Kind.AUDIO, "screen_audio")
            heard: list[Any] = []
            async for block in track.audio():
                heard.append(block)
                if len(heard) == 60:
                    break
            assert abs(pitch(heard[20:]) - 1000) < 20
            assert track.statistics.packets > 30
            assert (await track_of(b, Source.MICROPHONE)).statistics.bytes < 100, "its gate is shut"
            microphone.talk(True)
            await until(lambda: b.listen() is mixed and b.tracks[0].statistics.packets > 20)
            await until(lambda: track.statistics.packets > 110)
            for publication in (microphone, screen):
                await publication.stop()

    run(main)
    folder = tmp_path / "recording"
    listed = {entry["file"]: entry for entry in json.loads((folder / "index.json").read_text())["files"]}
    assert set(listed) == {"kantor-1.ogg", "kantor-1-screen.ogg"}
    assert listed["kantor-1-screen.ogg"]["screen"]
    assert "screen" not in listed["kantor-1.ogg"]
    assert len(stored(folder / "kantor-1-screen.ogg", "audio")) > 100


def test_a_listener_may_send_no_sound_of_a_screen(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link, "ketua", "Ketua") as chair, world.client(link, "kantor-1") as other:
                await until(lambda: len(chair.participants) == 1)
                await chair.participants[other.me.id].set_role("listener")
                await until(lambda: other.me.role == "listener")
                with pytest.raises(tcclient.RequestRefused) as refused:
                    await other.publish(tcclient.audio_file(SPEECH, source=Source.SCREEN_AUDIO))
                assert refused.value.code is ErrorCode.NOT_PERMITTED
                with pytest.raises(SourceError, match="the source of sound is microphone or screen_audio, not camera"):
                    await chair.publish(tcclient.AudioSource([beep(400, 1)], source=Source.CAMERA))
                with pytest.raises(SourceError, match="the source of pictures is camera or screen"):
                    await chair.publish(tcclient.video_file(CLIP, source=Source.SCREEN_AUDIO))
                with pytest.raises(tcclient.RequestRefused):
                    await chair.notice("to all rooms, which is the operator's")
                await chair.participants[other.me.id].kick("selesai")
                await until(lambda: other.closed is not None)
                assert other.closed.text == "selesai"
                await chair.update(title="Rapat besar", max_participants=9)
                await until(lambda: chair.info.title == "Rapat besar")
                await chair.end_meeting()
                await until(lambda: chair.closed is not None)
                assert chair.closed.code is ErrorCode.ROOM_CLOSED

    run(main)


def test_the_command_line_shares_a_film(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made: list[Any] = []

    class Attending:
        def __init__(self, wishes: attend.Wishes, sources: list[Any], makers: object) -> None:
            made.extend(sources)

        async def attend(self) -> int:
            return 0

    monkeypatch.setattr("tcclient.cli.attend.Attending", Attending)
    monkeypatch.setattr("tcclient.cli.join._password", lambda _: "x")
    join = ["join", "tc://localhost/hall", "--user", "ketua"]
    film = ["--screen", str(CLIP), "--screen-audio", str(SPEECH)]
    assert command_line([*join, "--audio", "tone", "--video", "test", *film]) == 0
    assert [(type(source).__name__, source.source) for source in made] == [
        ("AudioSource", Source.MICROPHONE),
        ("VideoSource", Source.CAMERA),
        ("VideoSource", Source.SCREEN),
        ("AudioSource", Source.SCREEN_AUDIO),
    ]
    assert made[0].bitrate < made[3].bitrate == 64_000
    made.clear()
    assert command_line([*join, "--screen", "test", "--screen-audio", "tone"]) == 0
    assert [source.source for source in made] == [Source.SCREEN, Source.SCREEN_AUDIO]
    capsys.readouterr()
    for options, text in (
        (["--listen", "--screen", "test"], "--listen sends nothing"),
        (["--listen", "--voices", "99"], "--voices is from 0, for all, to "),
        (["--listen", "--max-height", "-1"], "--max-height is at least 0, for any"),
        (["--screen-audio", "missing.wav"], "missing.wav: No such file or directory"),
    ):
        assert command_line([*join, *options]) == 2
        assert text in capsys.readouterr().err


def test_a_server_that_lies_in_a_meeting_has_a_status_of_its_own(
    run: Run, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tcclient.cli.keyboard.Keyboard.obey", lambda keyboard: asyncio.sleep(0))

    class Lied(attend.Attending):
        async def _report_quality(self, room: Any) -> None:
            room._event(core.Closed(ErrorCode.UNEXPECTED_MESSAGE, "it lies", Action.STOP, 0, True))
            await asyncio.sleep(60)

    async def main() -> None:
        async with world.serving() as server:
            wishes = attend.Wishes(
                link=server.room("Hall"), user="kantor-1", password=AccountSecret(PASSWORD), name="Sri",
                data=world.place / "lied", trust=None, require_e2ee=True, sources=(), gate=GateMode.OPEN, record=None,
                speaker=False, seconds=None, leave_at_end=False, json=True, once=True,
            )  # fmt: skip
            assert await Lied(wishes, ()).attend() == UNTRUSTED
        out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        (closed,) = (line for line in out if line["event"] == "closed")
        assert (closed["dishonest"], closed["action"], closed["text"]) == (True, "stop", "it lies")

    with contextlib.suppress(asyncio.CancelledError):
        run(main)


@pytest.mark.parametrize(
    ("live", "speaker", "gate", "told"),
    [
        (True, True, GateMode.OPEN, True),
        (True, True, GateMode.VOICE, True),
        (True, True, GateMode.PUSH_TO_TALK, False),
        (True, False, GateMode.OPEN, False),
        (False, True, GateMode.OPEN, False),
    ],
)
def test_who_has_a_microphone_beside_a_loudspeaker_is_told_of_the_echo(
    run: Run,
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    live: bool,
    speaker: bool,
    gate: GateMode,
    told: bool,
) -> None:
    monkeypatch.setattr("tcclient.cli.keyboard.Keyboard.obey", lambda keyboard: asyncio.sleep(0))

    async def main() -> None:
        async with world.serving() as server:
            wishes = attend.Wishes(
                link=server.room("Hall"), user="kantor-1", password=AccountSecret(PASSWORD), name="Sri",
                data=world.place / "echo", trust=None, require_e2ee=True, sources=(), gate=gate, record=None,
                speaker=speaker, seconds=0.2, leave_at_end=False, json=True, once=True,
            )  # fmt: skip
            await attend.Attending(wishes, (tcclient.AudioSource([beep(400, 1)], live=live),)).attend()
        out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["text"] for line in out if line["event"] == "echo"] == [attend.ECHO] * told

    run(main)


def test_a_server_that_was_there_before_is_waited_for(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcclient.transport.retry.FIRST_WAIT", 0.01)

    async def main() -> None:
        async with world.serving() as server:
            link = server.room("Hall")
            async with world.client(link):
                pass
        told: list[tcclient.Retry] = []
        with pytest.raises(tcclient.ConnectError):
            async with world.client(link, "kantor-2", retry=told.append):
                pass
        assert told == [], "of another device: it does not know the server"
        entering = asyncio.ensure_future(world.client(link, retry=told.append).__aenter__())
        await until(lambda: len(told) == 3)
        entering.cancel()
        await asyncio.wait([entering])
        assert {type(retry.error) for retry in told} == {tcclient.ConnectError}

    run(main)
