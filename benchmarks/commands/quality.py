"""What a call and its recording cost: sound, picture, lip-sync, delay, bytes.

Runs ``tcclient demo`` three times. The first is a meeting with sound and pictures. The second has sound only, and its
datagrams are counted on the loopback interface. The third shows and plays a clip that flashes and beeps.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harness.capture import LoopbackCapture
from benchmarks.harness.demo import port_of, run_demo
from benchmarks.harness.procfs import Process
from benchmarks.harness.report import Bar, BenchmarkError, Cell, Report, Table
from benchmarks.quality import lipsync, pictures, speech
from benchmarks.quality.overhead import overheads
from benchmarks.quality.recording import checksum, packets_of
from tcclient.capture import CLIP, SPEECH
from tcclient.errors import MediaError

MAX_OVERHEAD = 66
"""Bytes inside UDP beside the Opus payload."""
MAX_PSNR_LOSS = 0.5
"""dB below libvpx alone at the same rate."""
MAX_PESQ_LOSS = 0.1
"""MOS below libopus alone at the same rate: what two runs of PESQ on shifted windows differ by."""
MAX_LIP_SYNC = 40.0
"""ms: what ITU-R BT.1359-1 allows sound to lead, the narrower side of its threshold of detectability (45 ms)."""
MAX_MOUTH_TO_EAR = 120.0
"""ms, 95th percentile on one machine; ITU-T G.114 finds 150 ms good, of which a network takes its share."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--audio", metavar="FILE", type=Path, default=SPEECH, help="speech (default: the shipped one)")
    parser.add_argument("--video", metavar="FILE", type=Path, default=CLIP, help="pictures (default: the shipped ones)")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the recordings there")


def run(options: argparse.Namespace) -> Report:
    """Measure everything; raises ``BenchmarkError``."""
    with tempfile.TemporaryDirectory(prefix="tcbench-") as folder:
        out = options.keep or Path(folder)
        try:
            parts = [_meeting(options, out / "meeting"), _bytes(options, out / "bytes"), _lips(options, out / "lips")]
        except MediaError as error:
            raise BenchmarkError(str(error)) from None
    return Report(
        [table for part in parts for table in part.tables],
        [bar for part in parts for bar in part.bars],
        figures={name: value for part in parts for name, value in part.figures.items()},
    )


def _meeting(options: argparse.Namespace, out: Path) -> Report:
    """Sound, pictures and delay of a whole meeting of three with two cameras."""
    seconds = 9 if options.quick else None
    length = ("--seconds", str(seconds)) if seconds else ()
    account = run_demo(out, "--audio", str(options.audio), "--video", str(options.video), *length)
    reports = account["participants"]
    sound, pictures_ = _sound(reports, options.audio, seconds), _pictures(reports, options.video, bool(seconds))
    delay = max((report["mouth_to_ear_ms"] for report in reports), key=lambda delay: float(delay["p95"]))
    rows = [(r["user"], *(float(r["mouth_to_ear_ms"][p]) for p in ("p50", "p95", "max"))) for r in reports]
    return Report(
        [*sound.tables, *pictures_.tables, Table("Mouth to ear", ("listener", "median ms", "p95 ms", "max ms"), rows)],
        [
            Bar("faults of the demonstration", len(account["faults"]), "", 0, note="; ".join(account["faults"][:2])),
            *sound.bars,
            *pictures_.bars,
            Bar("mouth to ear, p95", delay["p95"], "ms", MAX_MOUTH_TO_EAR, note=f"max {delay['max']:.0f} ms"),
        ],
        figures={"meeting": account, **sound.figures, **pictures_.figures},
    )


def _sound(reports: list[dict[str, Any]], path: Path, seconds: float | None) -> Report:
    pesq = speech.load_pesq()
    source = speech.source_sound(path, seconds)
    rows: list[tuple[Cell, ...]] = []
    unequal, losses = 0, []
    direct: dict[int, speech.Score] = {}
    for listener, speaker, sent, received in _streams(reports, "audio"):
        recording = _recording(received, ".ogg")
        unequal += not _equal(packets_of(recording, "audio"), sent)
        scores: list[float | None] = [None] * 4
        if pesq is not None:
            rate = round(sent["bytes"] * 8 / sent["frames"] * 50 / 400) * 400
            if rate not in direct:
                direct[rate] = speech.score(pesq, source, speech.direct_sound(source, rate))
            got, alone = speech.score(pesq, source, speech.recorded_sound(recording)), direct[rate]
            scores = [got.mean, got.least, alone.mean, alone.least]
            losses.append(alone.mean - got.mean)
        rows.append((listener, speaker, *scores))
    note = "" if pesq else speech.MISSING_PESQ
    columns = ("listener", "speaker", "PESQ-WB mean", "least window", "libopus mean", "libopus least")
    return Report(
        [Table("Speech, as recorded" + (f" ({note})" if note else ""), columns, rows)],
        [
            Bar("sound recordings not bit for bit as sent", unequal, f"of {len(rows)}", 0),
            Bar("PESQ-WB below libopus alone", max(losses, default=None), "MOS", MAX_PESQ_LOSS, note=note),
        ],
        figures={"speech": [dict(zip(columns, row, strict=True)) for row in rows]},
    )


def _pictures(reports: list[dict[str, Any]], path: Path, loop: bool) -> Report:
    rows: list[tuple[Cell, ...]] = []
    unequal, losses = 0, dict.fromkeys(pictures.PEERS, float("-inf"))
    done = set()
    streams = list(_streams(reports, "video"))
    for _, speaker, sent, received in streams:
        recording = _recording(received, ".mkv")
        frames = packets_of(recording, "video")
        unequal += not _equal(frames, sent) or received["checksum"] != sent["checksum"]
        if speaker in done:
            continue
        done.add(speaker)
        source = pictures.source_pictures(path, len(frames), loop=loop)
        ours = pictures.measure(source, frames)
        peers = {name: pictures.peer(source, speed, ours.bitrate) for name, speed in pictures.PEERS.items()}
        losses = {name: max(losses[name], coded.psnr - ours.psnr) for name, coded in peers.items()}
        size = f"{source.width}x{source.height}"
        late = float(received["latency_ms"]["p95"])
        rows.append((speaker, size, len(frames), ours.psnr, ours.mean_psnr, ours.bitrate / 1000, late))
        rows += [
            ("", f"libvpx, {name}", len(frames), coded.psnr, coded.mean_psnr, coded.bitrate / 1000, None)
            for name, coded in peers.items()
        ]
    columns = ("camera", "pictures", "count", "PSNR dB", "mean of pictures dB", "kbit/s", "latency p95 ms")
    return Report(
        [Table("Pictures, as recorded", columns, rows)],
        [
            Bar("film recordings not bit for bit as sent", unequal, f"of {len(streams)}", 0),
            *(Bar(f"PSNR below libvpx, {name}", loss, "dB", MAX_PSNR_LOSS) for name, loss in losses.items()),
        ],
        figures={"pictures": [dict(zip(columns, row, strict=True)) for row in rows]},
    )


def _bytes(options: argparse.Namespace, out: Path) -> Report:
    """Bytes on the wire of a meeting of three, in which one talks."""
    what = {"up": "bytes of an audio packet beside Opus, up", "down": "bytes of an audio packet beside Opus, down"}
    capture = LoopbackCapture()

    def look(_: list[Process]) -> None:
        if capture.port is None:
            capture.port = port_of(out)

    try:
        with capture:
            length = "4" if options.quick else "10"
            # one talker: what several say at once leaves in trains, which a capture sees whole
            what_to_do = ("--talkers", "1", "--cameras", "0", "--seconds", length)
            account = run_demo(out, "--audio", str(options.audio), *what_to_do, look=look)
    except (PermissionError, AttributeError):
        note = "capturing needs Linux and CAP_NET_RAW"
        return Report(bars=[Bar(name, None, "bytes", MAX_OVERHEAD, note=note) for name in what.values()])
    reports = account["participants"]
    recordings = [_recording(stream, ".ogg") for report in reports for stream in report["received"]]
    payload, _ = Counter(map(len, packets_of(recordings[0], "audio"))).most_common(1)[0]
    found = overheads(capture.counts, reports, payload)
    rows = [(name, each.packets, each.speech, each.beside_opus, each.everything) for name, each in found.items()]
    columns = ("direction", "packets", "of speech", "bytes beside Opus", "mean, with silence, beacons, path checks")
    return Report(
        [Table(f"Overhead inside UDP of speech at {payload} bytes in 20 ms", columns, rows)],
        [
            Bar(what[name], each.beside_opus if each.speech else None, "bytes", MAX_OVERHEAD, note="no speech seen")
            if not each.speech
            else Bar(what[name], each.beside_opus, "bytes", MAX_OVERHEAD)
            for name, each in found.items()
        ],
        figures={"overhead": {name: asdict(each) for name, each in found.items()}},
    )


def _lips(options: argparse.Namespace, out: Path) -> Report:
    out.mkdir(parents=True, exist_ok=True)
    clip = out / "clip.mkv"
    lipsync.make_clip(clip, 5 if options.quick else 10)
    account = run_demo(out, "--audio", str(clip), "--video", str(clip))
    rows = []
    for listener, speaker, _, received in _streams(account["participants"], "video"):
        found = [1000 * error for error in lipsync.errors(clip, _recording(received, ".mkv"))]
        rows.append((listener, speaker, len(found), sum(found) / len(found), max(found, key=abs)))
    columns = ("listener", "speaker", "flashes", "mean ms", "worst ms")
    worst = max(abs(row[4]) for row in rows)
    return Report(
        [Table("Sound after (+) or before (-) the picture", columns, rows)],
        [Bar("lip-sync error, worst", worst, "ms", MAX_LIP_SYNC)],
        figures={"lip_sync": [dict(zip(columns, row, strict=True)) for row in rows]},
    )


def _equal(packets: list[bytes], sent: dict[str, Any]) -> bool:
    return (len(packets), checksum(packets)) == (sent["frames"], sent["checksum"])


def _streams(reports: list[dict[str, Any]], kind: str) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Return listener, speaker, and the sent and received counts, for each stream of a kind at each listener."""
    sent = {(report["user"], stream["stream"]): stream for report in reports for stream in report["sent"]}
    for report in reports:
        for received in report["received"]:
            if received["kind"] == kind:
                yield report["user"], received["from"], sent[received["from"], received["stream"]], received


def _recording(received: dict[str, Any], suffix: str) -> Path:
    found = [Path(path) for path in received["recordings"] if path.endswith(suffix)]
    if not found:
        raise BenchmarkError(f"no {suffix} recording of {received['from']}")
    return found[0]
