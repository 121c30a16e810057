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
    RATE,
    Recorded,
    delays,
    write_camera,
)
from benchmarks.harness.participant_process import Came
from benchmarks.parts.full_conference import VOICE, heard, hears_all

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


def test_a_page_hears_in_the_seconds_in_which_it_plays_speech() -> None:
    speech = (np.random.default_rng(1).standard_normal(4 * RATE) * 3000).astype(np.int16)
    speech[RATE : 2 * RATE] = 0
    assert heard(Recorded(speech, 100.0)) == 0.75
    assert heard(Recorded(speech[: RATE // 2], 100.0)) == 0.0, "no whole second"


def test_a_native_client_hears_who_talks_until_the_end() -> None:
    page, native = (Came(name, "audio", 500, 0, 0.1) for name in ("Page 1", VOICE))
    assert hears_all("Listener 1", [page, native])
    assert not hears_all("Listener 1", [native])
    assert hears_all(VOICE, [page]), "nobody hears oneself"
    assert not hears_all("Listener 1", [page, native._replace(age=5.0)])
    assert not hears_all("Listener 1", [page, native._replace(kind="video")])


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
