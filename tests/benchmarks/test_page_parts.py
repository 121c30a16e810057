"""What the benchmark of the page makes of sounds and pictures, and what it says where there is no browser."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.commands import page
from benchmarks.commands.page import undecoded
from benchmarks.harness.browser import (
    CAMERA_HEIGHT,
    CAMERA_PICTURES,
    CAMERA_WIDTH,
    LOUD,
    RATE,
    Recorded,
    delays,
    write_camera,
)
from benchmarks.harness.participant_process import Attended, Came
from benchmarks.parts.full_conference import VOICE, hears_all, page_hears_all, since

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="benchmarks need Linux")


def test_delays_are_those_of_what_was_heard() -> None:
    speech = (np.random.default_rng(1).standard_normal(8 * RATE) * 3000).astype(np.int16)
    speech[3 * RATE : 4 * RATE] = 0
    later = np.concatenate([np.zeros(RATE // 10, np.int16), speech])
    mouth = Recorded(speech, 100.0)
    found = delays(mouth, Recorded(later[2 * RATE :], 102.02))
    assert found == pytest.approx([0.12] * 5, abs=0.001), "of 6 windows all that are not silent"
    noise = Recorded((np.random.default_rng(2).standard_normal(4 * RATE) * 3000).astype(np.int16), 102.0)
    assert not len(delays(mouth, noise)), "nothing like it was said"
    assert not len(delays(mouth, Recorded(later, 90.0))), "nothing was captured before it"


def test_pictures_in_the_decoder_at_either_end_are_not_missed() -> None:
    assert undecoded(received=100, missing=0, decoded=98) == 0
    assert undecoded(received=100, missing=2, decoded=90) == 2 + 8
    assert undecoded(received=100, missing=0, decoded=101) == 0


def test_a_page_hears_if_it_decodes_every_other_talker_and_plays_speech() -> None:
    assert page_hears_all("Page 2", 0.75, [500, 300], 10.0)
    assert not page_hears_all("Page 2", 0.74, [500, 300], 10.0)
    assert not page_hears_all("Page 2", 1.0, [500, 60], 10.0), "one of them came for a while only"
    assert page_hears_all("Page 1", 1.0, [500], 10.0), "nobody hears oneself"


def test_a_native_client_hears_who_talks_until_the_end() -> None:
    page, native = (Came(name, "audio", 500, 0, 0.1, None) for name in ("Page 1", VOICE))
    both = Attended([page, native], [])
    assert hears_all("Listener 1", both, 10.0, plays=False)
    assert not hears_all("Listener 1", Attended([native], []), 10.0, plays=False)
    assert hears_all(VOICE, Attended([page], []), 10.0, plays=False), "nobody hears oneself"
    assert not hears_all("Listener 1", Attended([page._replace(age=5.0), native], []), 10.0, plays=False)
    assert not hears_all("Listener 1", Attended([page._replace(packets=60), native], []), 10.0, plays=False)
    assert not hears_all("Listener 1", Attended([page, native._replace(kind="video")], []), 10.0, plays=False)
    assert hears_all("Listener 1", both._replace(played=[LOUD] * 8 + [0.0] * 2), 10.0, plays=True)
    assert not hears_all("Listener 1", both._replace(played=[LOUD] * 7 + [0.0] * 3), 10.0, plays=True)
    assert not hears_all("Listener 1", both._replace(played=[LOUD] * 7), 10.0, plays=True), "not all was played"
    assert not hears_all("Listener 1", both, 10.0, plays=True), "it played nothing"


def test_only_what_came_and_was_lost_meanwhile_counts() -> None:
    before = Came("Page 1", "audio", 500, 2, 0.1, "bandwidth")
    now, new = before._replace(packets=800, lost=5, limit=None), Came(VOICE, "video", 30, 1, 0.0, None)
    found = since(Attended([now, new], [LOUD]), Attended([before], []))
    assert found == Attended([now._replace(packets=300, lost=3), new], [LOUD])


def test_the_camera_is_a_file_of_raw_pictures(tmp_path: Path) -> None:
    write_camera(tmp_path / "camera.y4m")
    head, _, rest = (tmp_path / "camera.y4m").read_bytes().partition(b"\n")
    size = len(b"FRAME\n") + CAMERA_WIDTH * CAMERA_HEIGHT * 3 // 2
    assert head == b"YUV4MPEG2 W640 H360 F30:1 Ip C420"
    assert len(rest) == CAMERA_PICTURES * size
    assert rest[size:].startswith(b"FRAME\n")


def test_what_is_missing_here_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(page, "INDEX", tmp_path)
    assert main(["page", "--quick"]) == 3
    assert "needs Chromium" in capsys.readouterr().err
    monkeypatch.setattr(page, "INDEX", tmp_path / "index.html")
    assert main(["page", "--quick"]) == 3
    assert "the page is not built" in capsys.readouterr().err
