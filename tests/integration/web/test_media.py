"""Sound and pictures between the page in a real browser and the native client, both ways."""

import contextlib
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

import tcclient
from tcproto.link import Link
from tests.integration.web.conftest import FLAGS
from tests.support.processes.world import PASSWORD, PATIENCE, Server
from tests.support.visitor import PATIENCE_MS, PIXELS, Arrive

SPEECH = Path(tcclient.__file__).parent / "capture" / "assets" / "speech.flac"
RATE = 48_000
SECONDS = 12
"""Of a recording: long enough for a machine that is busy with other tests."""
ALIKE = 0.7
"""Correlation of what was said and what was recorded; Opus at 31.6 kbit/s has 0.9, noise and other words below 0.3."""


def read_sound(path: Path) -> npt.NDArray[np.float32]:
    """Decode a file to mono at 48 kHz, -1 to 1."""
    resampler = av.AudioResampler("fltp", "mono", RATE)
    with av.open(path) as container:
        pieces = [piece.to_ndarray()[0] for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate(pieces)


def likeness(piece: npt.NDArray[np.float32], whole: npt.NDArray[np.float32]) -> float:
    """The best correlation of a piece with any stretch of a recording."""
    size = 1 << (len(piece) + len(whole)).bit_length()
    product = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(piece, size)), size)[
        : len(whole) - len(piece)
    ]
    energy = np.cumsum(np.concatenate(([0.0], whole.astype(np.float64) ** 2)))
    stretches = energy[len(piece) : len(piece) + len(product)] - energy[: len(product)]
    return float(np.max(product / np.sqrt(np.maximum(stretches, 1e-3) * np.sum(piece.astype(np.float64) ** 2))))


FULL_BAND = """
const Original = self.AudioEncoder;
self.AudioEncoder = class extends Original {
  configure(config) {
    super.configure(config.sampleRate === 48000 ? config : { ...config, codec: "vorbis" });
  }
};
"""
"""Lets the browser encode no sound of fewer samples: no browser encodes Vorbis."""


@pytest.fixture(scope="module")
def speech() -> npt.NDArray[np.float32]:
    return read_sound(SPEECH)


@pytest.fixture(scope="module")
def speech_file(speech: npt.NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The speech as Chromium takes it for its microphone."""
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((speech * 32_767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def chromium(speech_file: Path) -> Iterator[Browser]:
    """A browser whose microphone says the speech again and again, and that plays without a click."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium: `apt install chromium` brings it")
    expect.set_options(timeout=PATIENCE_MS)
    more = [f"--use-file-for-fake-audio-capture={speech_file}", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *more])
        yield browser
        browser.close()


@contextlib.contextmanager
def native_client(link: Link, data: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """``tcclient join`` in a process of its own."""
    command = [sys.executable, "-m", "tcclient", "join", str(link), "--user", "kantor-2", "--name", "Native"]
    process = subprocess.Popen(
        [*command, "--password-stdin", "--data", str(data), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    try:
        assert process.stdin is not None
        process.stdin.write(f"{PASSWORD}\n")
        process.stdin.flush()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("script", ["", FULL_BAND], ids=["as it is", "full band only"])
def test_a_recording_has_the_speech_and_the_pictures_of_the_page(
    web_server: Server, arrive: Arrive, speech: npt.NDArray[np.float32], tmp_path: Path, script: str
) -> None:
    link = web_server.room(f"Recorded {len(script)}")
    siti = arrive()
    siti.begin_worker_with(script)
    siti.try_to_join(link.on_the_web(link.port).replace("#", "?processing=off#"), "kantor-1", "Siti")
    siti.button("Leave").wait_for(timeout=PATIENCE_MS)
    records = tmp_path / "records"
    options = ("--listen", "--record", str(records), "--seconds", str(SECONDS))
    with native_client(link, tmp_path / "client", *options) as recorder:
        # The page has to be looked after while it works: a wait in Python alone would stop its events.
        siti.page.wait_for_timeout(SECONDS * 1000)
        said, _ = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, said
    recorded = read_sound(next(records.rglob("*.ogg")))
    # A busy machine may lose some words. By its second half the page knows how high the voice goes.
    later = recorded[-SECONDS * RATE // 2 :]
    assert len(later) > SECONDS * RATE // 4
    assert max(likeness(speech[at : at + RATE], later) for at in range(0, len(speech) - RATE, RATE)) > ALIKE
    with av.open(next(records.rglob("*.mkv"))) as film:
        pictures = list(film.decode(video=0))
    assert len(pictures) > SECONDS
    assert len({picture.to_ndarray().tobytes() for picture in pictures}) > len(pictures) // 2


def test_the_page_plays_and_shows_a_native_client(
    web_server: Server, arrive: Arrive, speech_file: Path, tmp_path: Path
) -> None:
    link = web_server.room("Played")
    siti = arrive()
    siti.tap()
    siti.join(link, "kantor-1", "Siti")
    sources = ("--audio", str(speech_file), "--video", "test", "--codec", "h264", "--loop")
    with native_client(link, tmp_path / "client", *sources):
        picture = siti.picture("Native")
        expect(picture).to_be_visible()
        shown: set[str] = set()
        loudest = 0.0
        for _ in range(int(PATIENCE * 10)):
            shown.add(picture.evaluate(PIXELS)[-1])
            loudest = max(loudest, siti.loudness())
            if len(shown) > 10 and loudest > 0.05:
                break
            siti.page.wait_for_timeout(100)
    assert len(shown) > 10
    assert 0.05 < loudest <= 1.0


def test_who_speaks_while_muted_is_told_unless_a_chair_holds_the_microphone(web_server: Server, arrive: Arrive) -> None:
    link = web_server.room("Held")
    ketua, siti = arrive(), arrive()
    ketua.join(link, "ketua", "Ibu Ketua")
    siti.join(link, "kantor-1", "Siti")
    siti.button("Mute").click()
    told = siti.page.get_by_text("You are speaking, but you are muted.")
    expect(told).to_be_visible()
    ketua.button("People").click()
    ketua.button("Mute all").click()
    expect(siti.page.get_by_text("A chair has muted you.")).to_be_visible()
    expect(told).to_have_count(0)
