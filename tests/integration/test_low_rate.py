"""A microphone and its low rate over real sockets: one track, whichever of both comes."""

from dataclasses import replace

import pytest

import tcclient
from tcproto.messages import Source
from tests.support.processes.two_rooms import track_of, two
from tests.support.processes.world import Run, World, until

pytestmark = pytest.mark.usefixtures("measured")


def test_a_voice_changes_to_its_low_rate_and_back_and_stays_one_track(run: Run, world: World) -> None:
    async def main() -> None:
        async with two(world) as (a, b):
            publication = await a.publish(replace(tcclient.tone(), low_rate=True))
            track = await track_of(b, Source.MICROPHONE)
            packets: list[tcclient.AudioPacket] = []
            track.on_audio.append(packets.append)
            for duration, sources in ((20, []), (60, [Source.MICROPHONE_LOW]), (20, [])):
                await b.subscribe([Source.MICROPHONE, *sources])
                await until(lambda duration=duration: [p.header.duration_ms for p in packets[-8:]] == [duration] * 8)
            assert [each.source for each in b.tracks] == [Source.MICROPHONE]
            numbers = [packet.header.sequence for packet in packets]
            assert numbers == sorted(set(numbers))
            await publication.stop()
            await until(lambda: not b.tracks)

    run(main)
