"""Microphone and loudspeaker through sounddevice (an optional package), camera through PyAV.

This is the only module here with threads. The sound card calls from a thread of its own, and its samples pass through
queues of a few frames. ``read`` and ``write`` wait, so they belong in a thread, too.
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import av
import av.logging
import numpy as np
import numpy.typing as npt

from tcclient.errors import DeviceError, one_line
from tcproto.packet import AUDIO_CLOCK, VIDEO_CLOCK

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

QUEUE_FRAMES = 4
"""Frames between a program and the sound card: 80 ms at 20 ms a frame. A busy machine may be so late."""

CAMERA_OPEN_TIMEOUT = 5.0
"""Seconds that a camera may take to open, and then for a picture, before it counts as gone."""

av.logging.set_level(None)  # libraries print about devices; here every failure is an exception

Samples = npt.NDArray[np.int16]


class SoundDevice(NamedTuple):
    """A sound card as the system lists it."""

    name: str
    inputs: int
    """Channels of the microphone; 0 for none."""
    outputs: int
    """Channels of the loudspeaker; 0 for none."""


def list_sound_devices() -> list[SoundDevice]:
    """Return the sound devices. Raises ``DeviceError`` where sounddevice or PortAudio is missing."""
    library = _sounddevice()
    return [
        SoundDevice(str(device["name"]), int(device["max_input_channels"]), int(device["max_output_channels"]))
        for device in library.query_devices()
    ]


def list_cameras() -> list[str]:
    """Return the names that ``Camera`` takes. Only Linux lists them; on other systems the list is empty."""
    return sorted(str(path) for path in Path("/dev").glob("video*")) if sys.platform == "linux" else []


class Microphone:
    """Records int16 mono 48 kHz frames of ``samples`` samples.

    ``device`` is a name or number as sounddevice takes it. If nobody reads, the oldest frames are dropped and counted
    in ``overflows``. Raises ``DeviceError``.
    """

    def __init__(self, device: str | int | None = None, *, samples: int = 960) -> None:
        self.overflows = 0
        self._queue: queue.Queue[Samples] = queue.Queue(QUEUE_FRAMES)
        self._stream = _start("InputStream", device, samples, self._callback)

    def read(self, timeout: float = 1.0) -> Samples:
        """Return the next frame, shape (samples,). Raises ``DeviceError`` if none comes in ``timeout`` seconds."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            raise DeviceError("the microphone is silent: it was unplugged, or another program holds it") from None

    def close(self) -> None:
        """Close the device."""
        self._stream.close()

    def _callback(self, data: Samples, frames: int, time: object, status: object) -> None:
        while True:
            try:
                self._queue.put_nowait(data[:, 0].copy())
            except queue.Full:
                self.overflows += 1
                self._queue.get_nowait()
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Loudspeaker:
    """Plays int16 mono 48 kHz frames of ``samples`` samples. ``device`` is a name or number as sounddevice takes it.

    If no frame was written in time, it plays silence and counts it in ``underflows``. Raises ``DeviceError``.
    """

    def __init__(self, device: str | int | None = None, *, samples: int = 960) -> None:
        self.underflows = 0
        self._samples = samples
        self._queue: queue.Queue[Samples] = queue.Queue(QUEUE_FRAMES)
        self._stream = _start("OutputStream", device, samples, self._callback)

    def write(self, frame: Samples, timeout: float = 1.0) -> None:
        """Queue a frame, shape (samples,).

        Waits while the queue is full. Raises ``DeviceError`` after ``timeout`` seconds.
        """
        if frame.shape != (self._samples,):
            raise ValueError(f"a frame has {self._samples} samples")
        try:
            self._queue.put(frame, timeout=timeout)
        except queue.Full:
            raise DeviceError("the loudspeaker takes no sound: it was unplugged") from None

    def close(self) -> None:
        """Close the device."""
        self._stream.close()

    def _callback(self, data: Samples, frames: int, time: object, status: object) -> None:
        try:
            data[:, 0] = self._queue.get_nowait()
        except queue.Empty:
            self.underflows += 1
            data[:] = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Camera:
    """The pictures of a camera as it sends them; the encoder scales and converts.

    Their pts are in 90 kHz and count from 0. ``device`` is a path on Linux (``/dev/video0``), a number or name as
    avfoundation takes it on macOS, a name as dshow takes it on Windows. Iteration waits for each picture, and raises
    ``DeviceError`` when the camera goes away.
    """

    def __init__(self, device: str | None = None, *, width: int = 1280, height: int = 720, fps: int = 25) -> None:
        form, name = _camera(device)
        self._name = name
        options = {"video_size": f"{width}x{height}", "framerate": str(fps)}
        try:
            self._container = av.open(
                name, format=form, options=options, timeout=(CAMERA_OPEN_TIMEOUT, CAMERA_OPEN_TIMEOUT)
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise DeviceError(f"cannot open the camera {one_line(Path(name), error)}") from error

    def __iter__(self) -> Iterator[av.VideoFrame]:
        first: Fraction | None = None
        with closing(self._container):
            try:
                for picture in self._container.decode(video=0):
                    seconds = Fraction(0)
                    if picture.pts is not None and picture.time_base is not None:
                        seconds = picture.pts * picture.time_base
                    first = seconds if first is None else first
                    picture.pts, picture.time_base = round((seconds - first) * VIDEO_CLOCK), Fraction(1, VIDEO_CLOCK)
                    yield picture
            except (av.FFmpegError, OSError) as error:
                raise DeviceError(f"the camera {one_line(Path(self._name), error)}") from error

    def close(self) -> None:
        """Close the device."""
        self._container.close()


def _camera(device: str | None) -> tuple[str, str]:
    if sys.platform == "darwin":
        return "avfoundation", device or "0"
    if sys.platform == "win32":
        if device is None:
            raise DeviceError("name the camera: Windows has no default one")
        return "dshow", device if device.startswith("video=") else f"video={device}"
    return "v4l2", device or "/dev/video0"


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError("sound needs the package sounddevice: pip install 'teleconference[devices]'") from error
    except OSError as error:
        raise DeviceError("sound needs the PortAudio library: apt install libportaudio2") from error
    module: ModuleType = sounddevice
    return module


def _start(kind: str, device: str | int | None, samples: int, callback: object) -> Any:
    """Open and start a stream of sounddevice."""
    library = _sounddevice()
    try:
        stream = getattr(library, kind)(
            samplerate=AUDIO_CLOCK, blocksize=samples, device=device, channels=1, dtype="int16", callback=callback
        )
        stream.start()
    except (library.PortAudioError, ValueError) as error:
        what = "microphone" if kind == "InputStream" else "loudspeaker"
        raise DeviceError(f"cannot open the {what}: {' '.join(str(error).split())}") from error
    return stream
