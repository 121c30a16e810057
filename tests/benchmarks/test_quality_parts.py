import os
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.harness.capture import Datagram, LoopbackCapture
from benchmarks.harness.procfs import descendants
from benchmarks.quality import lipsync, pictures, speech
from benchmarks.quality.overhead import Overhead, overheads
from benchmarks.quality.recording import checksum, packets_of
from tcclient.capture import CLIP, SPEECH
from tcproto.datagram import Kind


def late_sound(source: Path, target: Path, ms: int) -> None:
    """Write a copy of a clip whose sound comes later."""
    with av.open(str(source)) as read, av.open(str(target), "w", format="matroska") as write:
        streams = {stream.index: write.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            if packet.size:
                if packet.stream.type == "audio":
                    packet.pts += ms
                    packet.dts += ms
                packet.stream = streams[packet.stream.index]
                write.mux(packet)


@pytest.mark.parametrize("ms", [0, 30])
def test_sound_that_is_late_by_so_much_is_found_to_be(tmp_path, ms):
    clip, late = tmp_path / "clip.mkv", tmp_path / "late.mkv"
    lipsync.make_clip(clip, 4)
    late_sound(clip, late, ms)
    found = lipsync.errors(clip, late)
    assert len(found) == 3
    assert found == pytest.approx([ms / 1000] * 3, abs=0.002)


def test_the_checksum_is_that_of_the_packets_in_their_order():
    packets = packets_of(CLIP, "video")
    assert len(packets) == 200
    assert checksum(packets) != checksum(reversed(packets))
    assert checksum([b"ab", b"c"]) == checksum([b"abc"])


def test_the_peer_comes_at_the_rate_that_was_asked_for():
    source = pictures.source_pictures(CLIP, 75, loop=False)
    coded = pictures.peer(source, pictures.PEERS["default"], 120_000)
    assert coded.bitrate == pytest.approx(120_000, rel=0.05)
    assert 35 < coded.psnr < 80


def test_libopus_alone_gives_the_same_speech_back():
    source = speech.source_sound(SPEECH, 2.0)
    heard = speech.direct_sound(source, 25_200)
    assert len(source) == 96_000
    assert abs(len(heard) - len(source)) <= speech.FRAME
    assert np.corrcoef(source[:90_000], heard[312:90_312])[0, 1] > 0.8


def test_speech_is_repeated_to_the_length_that_was_asked_for():
    assert len(speech.source_sound(SPEECH, 40.0)) == 40 * 48_000


def test_overhead_is_what_the_usual_datagram_has_beside_the_payload():
    counts = {
        Datagram(True, Kind.UP, 123): 99,
        Datagram(True, Kind.UP, 75): 1,
        Datagram(True, Kind.UP, 35): 20,
        Datagram(False, Kind.ROOM, 129): 100,
        Datagram(False, Kind.DOWN, 62): 200,
    }
    reports = [{"sent": [{"packets": 100, "bytes": 6240}], "received": [{"packets": 100, "bytes": 6300}]}]
    up = (99 * 123 + 75 + 20 * 35 - 6240) / 100
    down = (12_900 + 200 * 62 - 6300) / 100
    assert overheads(counts, reports, 63) == {"up": Overhead(100, 99, 60, up), "down": Overhead(100, 100, 66, down)}


def frame(source: int, target: int, payload: bytes) -> bytes:
    udp = struct.pack(">HHHH", source, target, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4))
    return bytes(14) + ip + udp


def test_the_capture_counts_both_directions_of_one_port():
    capture = LoopbackCapture()
    capture.port = 5000
    for source, target, payload in ((1, 5000, b"\x11abc"), (5000, 1, b"\x13abcdef"), (1, 2, b"\x11"), (5000, 1, b"")):
        capture.count(frame(source, target, payload))
    assert capture.counts == {Datagram(True, 1, 4): 1, Datagram(False, 3, 7): 1}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_processes_below_are_found_with_what_they_use():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()', 'grandchild'])"
    with subprocess.Popen([sys.executable, "-c", code, "child"], stdin=subprocess.PIPE) as process:
        for _ in range(10_000):
            found = {p.command[-2]: p for p in descendants(os.getpid()) if len(p.command) > 1}
            if "grandchild" in found:
                break
        process.communicate(b"\n")
    assert found["grandchild"].parent == process.pid
    assert found["child"].memory > 1 << 20
    assert found["child"].cpu >= 0
