"""Faults of sources and recordings: they are reported, and nobody leaves the room for them."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcclient import AudioSource, RecordingError, SourceError, VideoSource, audio_file, events, tone
from tcclient.audio.gate import GateMode
from tcclient.capture import SPEECH
from tcclient.cli.sending import Sending
from tcclient.errors import DeviceError
from tcproto.messages import Source
from tests.support.processes.client_process import COMMAND
from tests.support.processes.two_rooms import track_of, two
from tests.support.processes.world import PASSWORD, PATIENCE, Run, Server, World, until

pytestmark = pytest.mark.usefixtures("measured")


def failing(error: Exception, good: int = 3) -> Iterator[Any]:
    for _ in range(good):
        yield np.zeros(960, np.int16)
    raise error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("the disk is gone"), "the source failed: the disk is gone"),
        (DeviceError("the microphone is silent"), "the microphone is silent"),
        (ZeroDivisionError(), "the source failed: ZeroDivisionError"),
    ],
)
def test_a_source_that_fails_is_an_event_and_ends_alone(run: Run, world: World, error: Exception, text: str) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            good = await a.publish(tone())
            bad = await a.publish(AudioSource(failing(error)))
            async for event in a.events():
                if isinstance(event, events.PublicationFailed):
                    break
            assert (event.publication, event.text) == (bad, text)
            with pytest.raises(type(error)):
                await bad.wait()
            await until(lambda: list(a.publications.values()) == [good])
            await until(lambda: len(b.tracks) == 1)
            again = await a.publish(audio_file(str(SPEECH)))
            await until(lambda: again.statistics.packets > 5)

    run(main)


async def pieces(*found: object) -> AsyncIterator[Any]:
    for piece in found:
        yield piece


@pytest.mark.parametrize(
    "make",
    [
        lambda: AudioSource([np.zeros(960, np.float32)]),
        lambda: AudioSource(failing(OSError("no"), 0)),
        lambda: AudioSource([], frame_ms=5),
        lambda: VideoSource([np.zeros((48, 64), np.uint8)], 64, 48),
        lambda: VideoSource([], 7, 7),
    ],
)
def test_what_cannot_be_sent_is_refused_by_publish(run: Run, world: World, make: Callable[[], Any]) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            with pytest.raises(SourceError):
                await a.publish_together(tone(), make())
            assert a.publications == {}
            await a.publish(tone())
            await until(lambda: len(b.tracks) == 1)

    run(main)


def test_a_live_source_of_the_wrong_shape_is_an_event(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, _):
            await a.publish(AudioSource(pieces(np.zeros((960, 2), np.int16))))
            async for event in a.events():
                if isinstance(event, events.PublicationFailed):
                    break
            assert "shape (960, 2)" in event.text

    run(main)


def test_arrays_are_seen_and_the_sound_of_a_track_is_heard(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            red = np.zeros((96, 160, 3), np.uint8)
            red[:, :, 0] = 255
            await a.publish_together(VideoSource((red for _ in range(500)), 160, 96), tone())
            pictures = (await track_of(b, Source.CAMERA)).pictures()
            shown = (await anext(pictures)).to_ndarray(format="rgb24")
            assert shown[50, 80, 0] > 200 > 80 > shown[50, 80, 2]
            await pictures.aclose()
            sound = (await track_of(b, Source.MICROPHONE)).audio()
            loud = 0
            async for block in sound:
                assert (block.shape, block.dtype) == ((960,), np.int16)
                loud += np.abs(block).max() > 1000
                if loud == 10:
                    break
            await sound.aclose()
            with pytest.raises(ValueError, match="no sound"):
                await anext((await track_of(b, Source.CAMERA)).audio())

    run(main)


def test_the_sound_of_a_track_ends_with_it(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            publication = await a.publish(tone())
            track = await track_of(b, Source.MICROPHONE)
            listening = asyncio.create_task(count(track.audio()))
            await until(lambda: track.statistics.packets > 20)
            await publication.stop()
            assert await listening > 5

    run(main)


async def count(blocks: AsyncIterator[Any]) -> int:
    return len([block async for block in blocks])


def test_a_recording_that_fails_is_an_event_and_can_begin_anew(run: Run, world: World, tmp_path: Path) -> None:
    folder = tmp_path / "recording"

    async def main() -> None:
        async with two(world) as (a, b):
            b.record(str(folder))
            await a.publish(tone())
            await until(lambda: list(folder.glob("*.ogg")))
            shutil.rmtree(folder)
            async for event in b.events():
                if isinstance(event, events.RecordingFailed) and event.participant:
                    break  # the index may have been missed before
            assert (event.participant, "deleted" in event.text) == ("kantor-1", True)
            folder.mkdir()
            b.record(folder)
            await until(lambda: list(folder.glob("*.ogg")))

    with pytest.raises(RecordingError, match=str(folder)):
        run(main)
    assert (folder / "kantor-1.ogg").stat().st_size > 500


def test_recordings_of_several_speakers_can_be_put_together(run: Run, world: World, tmp_path: Path) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            b.record(tmp_path)
            await a.publish(tone())
            await until(lambda: b.tracks and b.tracks[0].statistics.packets)
            before = asyncio.get_running_loop().time()
            await asyncio.sleep(1.5)
            await a.publish(tone())
            await until(lambda: len(b.tracks) == 2 and b.tracks[1].statistics.packets)
            lengths.append(asyncio.get_running_loop().time() - before)
            await asyncio.sleep(0.5)

    lengths: list[float] = []
    run(main)
    first, second = json.loads((tmp_path / "index.json").read_text())["files"]
    assert second["offset"] - first["offset"] == pytest.approx(lengths[0], abs=0.15)


def attend(server: Server, place: Path, *options: str, typed: str = "", seconds: float = 6) -> tuple[int, str, str]:
    """Run ``tcclient join`` to its end, and return status, output and errors."""
    command = [*COMMAND, "join", str(server.room("Hall")), "--user", "kantor-1", "--password-stdin"]
    with subprocess.Popen(
        [*command, "--data", str(place), "--seconds", str(seconds), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        out, err = process.communicate(PASSWORD + "\n" + typed, timeout=seconds + PATIENCE)
        return process.returncode, out, err


def test_a_device_that_is_not_there_is_told_and_the_participant_stays(shared_server: Server, tmp_path: Path) -> None:
    status, out, err = attend(shared_server, tmp_path, "--json", typed="/camera /dev/none\n")
    assert status == 1
    assert "tcclient: not sent: cannot open the camera /dev/none: No such file or directory\n" in err
    assert "Traceback" not in err
    assert '"event": "joined"' in out


def test_the_folder_of_a_recording_is_checked_before_the_seat_is_taken(shared_server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, out, err = attend(shared_server, tmp_path, "--record", str(tmp_path / "file"))
    assert (status, out, err) == (1, "", f"tcclient: {tmp_path / 'file'}: is not a folder\n")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--video", "test", "--video-bitrate", "500"), "--video-bitrate is 1000 to 100000000 bit/s, not 500"),
        (("--video", "test", "--video-bitrate", "-5"), "--video-bitrate is 1000 to 100000000 bit/s, not -5"),
        (("--audio", "/dev/null"), "/dev/null: is neither a file nor a pipe"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_joining(
    shared_server: Server, tmp_path: Path, options: tuple[str, ...], text: str
) -> None:
    status, out, err = attend(shared_server, tmp_path, *options)
    assert (status, out, err) == (2, "", f"tcclient: {text}\n")


class Told:
    """What a user at a terminal would have read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, name: str, text: str) -> None:
        self.lines.append(text)

    def problem(self, text: str) -> None:
        self.lines.append(text)


def test_a_microphone_begins_anew_as_muted_as_it_was_and_after_a_fault(run: Run, world: World) -> None:
    def microphone(device: str | None) -> AudioSource:
        if device == "gone":
            raise DeviceError("cannot open the microphone")
        return AudioSource(failing(DeviceError("the microphone is silent"))) if device == "bad" else tone()

    async def main() -> None:
        told: Any = Told()
        async with two(world) as (a, b):
            sending = Sending(a, told, GateMode.OPEN, {Source.MICROPHONE: microphone})
            first = asyncio.create_task(sending.send([microphone(None)]))
            track = await track_of(b, Source.MICROPHONE)
            await until(lambda: track.statistics.packets > 5 and sending.publications)
            sending.publications[0].mute()
            await until(lambda: track.muted)
            again = asyncio.create_task(sending.restart(Source.MICROPHONE))
            await until(lambda: b.tracks and b.tracks[0] is not track and b.tracks[0].muted)
            await asyncio.sleep(0.2)
            assert b.tracks[0].statistics.packets == 0
            await sending.restart(Source.MICROPHONE, "gone")
            assert (told.lines[-1], sending.status) == ("not sent: cannot open the microphone", 1)
            await sending.restart(Source.MICROPHONE, "bad")
            assert (sending.publications, sending.status) == ([], 1)
            last = asyncio.create_task(sending.restart(Source.MICROPHONE, "good"))
            await until(lambda: b.tracks and b.tracks[0].statistics.packets > 5)
            assert sending.status == 0
            with pytest.raises(ValueError, match="cannot be started again"):
                await sending.restart(Source.SCREEN)
            for task in (first, again, last):
                task.cancel()
            await asyncio.gather(first, again, last, return_exceptions=True)

    run(main)
