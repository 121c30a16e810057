"""Chromium with made-up devices, and people at the page in it: what they hear, and what becomes of their pictures."""

from __future__ import annotations

import base64
import shutil
import wave
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness.procfs import descendants
from benchmarks.harness.report import BenchmarkError, Missing
from benchmarks.harness.signal_comparison import Sound
from tcclient.capture.picture import TestPicture
from tcproto.link import Link

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RATE = 48_000
"""Samples per second of all sounds here."""
CAMERA_WIDTH, CAMERA_HEIGHT, CAMERA_RATE, CAMERA_PICTURES = 640, 360, 30, 60
"""The file that the made-up camera shows again and again."""
WINDOW, PHONE = (1280, 800), (390, 700)
"""Width and height of a window, and of the screen of a phone."""
PIECE = 37 * 128
"""Samples of a piece of a recorded sound, as ``browser_taps.js`` cuts it."""
PIECES = 10
"""Pieces that last about a second."""
TYPING = 2000.0
"""ms that a person needs for the name and the password, in which the page gets ready."""
JOIN_LIMIT = 20_000.0
"""ms until a page has to be in the meeting."""
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
_TAPS = Path(__file__).with_name("browser_taps.js").read_text(encoding="utf-8")
"""Notes what a page captures and plays, when somebody joins, and which pictures are drawn."""
_COUNT_PICTURES = """() => {
  self.tally = { received: [], decoded: 0 };
  self.voices = [];
  const known = new WeakMap();
  const { decode } = AudioDecoder.prototype;
  AudioDecoder.prototype.decode = function (chunk) {
    // A decoder that is opened anew goes on where that before it ended.
    const voice = known.get(this) ?? self.voices.find(({ next }) => next === chunk.timestamp) ?? { count: 0 };
    if (!self.voices.includes(voice)) self.voices.push(voice);
    known.set(this, voice);
    voice.count += 1;
    voice.next = chunk.timestamp + chunk.duration;
    decode.call(this, chunk);
  };
  const Original = self.VideoDecoder;
  self.VideoDecoder = class extends Original {
    constructor({ output, error }) {
      super({ output: (frame) => { self.tally.decoded += 1; output(frame); }, error });
    }
    decode(chunk) {
      self.tally.received.push(chunk.timestamp);
      super.decode(chunk);
    }
  };
}"""
"""Counts in the worker of a page what goes into decoders, and what comes out of those of pictures."""
_TAKE_VOICES = """() => self.voices.map((voice) => {
  const { count } = voice;
  voice.count = 0;
  return count;
})"""


@dataclass(frozen=True)
class Recorded:
    """What a page captured or played for a while."""

    sound: Sound
    """At ``RATE``; silent where the sound thread had nothing."""
    began: float
    """Unix seconds of the first sample, when the sound thread had it."""


@dataclass(frozen=True)
class Pictures:
    """What became of the pictures of one publication, or of all."""

    received: int
    """Pictures that were given to a decoder."""
    missing: int
    """Pictures between the first and the last that never came there, by their times."""
    decoded: int
    drawn: int
    """Pictures that were shown."""


def write_microphone(path: Path, sound: Sound) -> None:
    """Write a sound (``RATE``) as the made-up microphone takes it."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.astype("<i2").tobytes())


def write_camera(path: Path) -> None:
    """Write moving pictures as the made-up camera takes them: YUV4MPEG2."""
    pictures = TestPicture(CAMERA_WIDTH, CAMERA_HEIGHT, CAMERA_RATE)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{CAMERA_WIDTH} H{CAMERA_HEIGHT} F{CAMERA_RATE}:1 Ip C420\n".encode())
        for picture in islice(pictures, CAMERA_PICTURES):
            file.write(b"FRAME\n" + picture.to_ndarray().tobytes())


@contextmanager
def chromium(folder: Path, speech: Sound) -> Iterator[Browser]:
    """Run a browser whose microphone says ``speech`` again and again; raises ``Missing``."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise Missing("needs playwright, which is not installed: pip install playwright") from None
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise Missing("needs Chromium: `apt install chromium` brings it")
    write_microphone(folder / "microphone.wav", speech)
    write_camera(folder / "camera.y4m")
    files = [
        f"--use-file-for-fake-audio-capture={folder / 'microphone.wav'}",
        f"--use-file-for-fake-video-capture={folder / 'camera.y4m'}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *files])
        try:
            yield browser
        finally:
            with suppress(Exception):  # after Ctrl-C it has gone
                browser.close()


def browser_cpu(pid: int) -> float:
    """Return the seconds of a processor that all processes of browsers below ``pid`` have used."""
    return sum(process.cpu for process in descendants(pid) if "chrom" in process.command[0])


class Person:
    """Somebody at the page, in a window with a memory of its own."""

    def __init__(self, browser: Browser, size: tuple[int, int] = WINDOW) -> None:
        width, height = size
        self._context = browser.new_context(
            ignore_https_errors=True, bypass_csp=True, locale="en-GB", viewport={"width": width, "height": height}
        )
        self._page: Page = self._context.new_page()
        self._page.add_init_script(_TAPS)

    def open(
        self, link: Link, user: str, password: str, name: str, *, microphone: bool = True, camera: bool = True
    ) -> None:
        """Open the page of a room, choose what to send, and type what it asks for."""
        page = self._page
        # Without processing the microphone is the file, and can be compared with what arrives.
        page.goto(link.on_the_web(link.port).replace("#", "?processing=off#"))
        page.get_by_label("User name", exact=True).fill(user)
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_label("Your name", exact=True).fill(name)
        for wanted, control in ((microphone, "Mute"), (camera, "Stop camera")):
            if not wanted:
                page.get_by_role("button", name=control, exact=True).click()
        page.wait_for_timeout(TYPING)

    def join(self) -> float:
        """Press "Join"; return the seconds from the click to the meeting. Raises ``BenchmarkError``."""
        self._page.get_by_role("button", name="Join", exact=True).click()
        try:
            self._page.get_by_role("button", name="Leave", exact=True).wait_for(timeout=JOIN_LIMIT)
        except Exception as error:  # of playwright, whose types are there only where it is
            raise BenchmarkError(f"a page does not get into the meeting: {str(error).splitlines()[0]}") from None
        return float(self._page.evaluate("taps.joinedIn()")) / 1000

    def save_data(self) -> None:
        """Want no pictures."""
        self._page.get_by_role("button", name="Settings", exact=True).click()
        self._page.get_by_label("Data saver", exact=True).check()
        self._page.keyboard.press("Escape")

    def rest(self, seconds: float) -> None:
        """Let the page go on. Its events come only while it is looked after."""
        self._page.wait_for_timeout(seconds * 1000)

    def start_counting(self) -> None:
        """Count pictures and the packets of voices from now on: before the first picture is there."""
        for worker in self._page.workers:
            worker.evaluate(_COUNT_PICTURES)

    def pictures(self, interval: float) -> Pictures:
        """Return what became of the pictures, which come every ``interval`` seconds, since the last call."""
        (tally,) = [
            worker.evaluate("() => { const t = self.tally; self.tally = { received: [], decoded: 0 }; return t; }")
            for worker in self._page.workers
        ]
        drawn = int(self._page.evaluate("taps.takeDrawn()"))
        times = np.sort(np.array(tally["received"], np.float64)) / 1e6
        missing = int(np.maximum(0, np.rint(np.diff(times) / interval) - 1).sum()) if len(times) else 0
        return Pictures(len(times), missing, int(tally["decoded"]), drawn)

    def voices(self) -> list[int]:
        """Return how many packets of each voice were given to its decoder since the last call."""
        (counts,) = [worker.evaluate(_TAKE_VOICES) for worker in self._page.workers]
        return [int(count) for count in counts]

    def recorded(self, what: str) -> Recorded:
        """Return the sound that was "captured" or "played" since the beginning; raises ``BenchmarkError``."""
        pieces: list[dict[str, Any]] = self._page.evaluate("what => taps.take(what)", what)
        if not pieces:
            raise BenchmarkError(f"a page has {what} nothing")
        first, last = pieces[0], pieces[-1]
        whole = np.zeros(last["frame"] - first["frame"] + PIECE, np.float32)
        for piece in pieces:
            at = piece["frame"] - first["frame"]
            whole[at : at + PIECE] = np.frombuffer(base64.b64decode(piece["pcm"]), np.float32)
        # The sound thread works ahead in bursts: the earliest clock is the one to go by.
        began = min(piece["at"] / 1000 - (piece["frame"] - first["frame"]) / RATE for piece in pieces)
        return Recorded((np.clip(whole, -1, 1) * 32_767).astype(np.int16), began)

    def loudness(self) -> list[float]:
        """Return the RMS of each second played since the last call of this or ``recorded``, in steps of 16 bits.

        The page reckons: to have the sound of many pages itself would be more work than to play it.
        """
        squares = np.array(self._page.evaluate("taps.takeLoudness('played')"), np.float64)
        seconds = squares[: len(squares) // PIECES * PIECES].reshape(-1, PIECES)
        return [float(rms) for rms in np.sqrt(np.mean(seconds, axis=1)) * 32_767]

    def close(self) -> None:
        """Close the window; it may have gone with its browser, after Ctrl-C."""
        with suppress(Exception):
            self._context.close()


def delays(mouth: Recorded, ear: Recorded, window: float = 1.0, longest: float = 1.0) -> npt.NDArray[np.float64]:
    """Return for each window of what was heard how many seconds after its capture it was played.

    Windows without speech, or of which nothing alike was captured within ``longest`` seconds before, are left out.
    """
    size, reach = int(window * RATE), int(longest * RATE)
    said, heard = mouth.sound.astype(np.float64), ear.sound.astype(np.float64)
    offset = (ear.began - mouth.began) * RATE
    found = []
    for at in range(0, len(heard) - size + 1, size):
        first = round(at + offset) - reach
        if first < 0 or first + reach + size > len(said):
            continue
        piece, region = heard[at : at + size], said[first : first + reach + size]
        lag = _place(piece, region)
        if lag is not None:
            found.append((at + offset - (first + lag)) / RATE)
    return np.array(found)


LOUD = 300.0
"""RMS, in steps of 16 bits, below which a window has no speech."""
ALIKE = 0.5
"""Correlation from which on a sound is taken for the same."""


def _place(piece: npt.NDArray[np.float64], region: npt.NDArray[np.float64]) -> int | None:
    """Return where in ``region`` the piece is; None where it is silent, or nowhere."""
    energy = float(np.sum(piece**2))
    if energy < LOUD**2 * len(piece):
        return None
    size = 1 << (len(piece) + len(region)).bit_length()
    product = np.fft.irfft(np.fft.rfft(region, size) * np.conj(np.fft.rfft(piece, size)), size)
    product = product[: len(region) - len(piece) + 1]
    sums = np.concatenate(([0.0], np.cumsum(region**2)))
    norms = np.sqrt(np.maximum(sums[len(piece) :] - sums[: len(product)], 1.0) * energy)
    likeness = product / norms
    best = int(np.argmax(likeness))
    return best if likeness[best] >= ALIKE else None
