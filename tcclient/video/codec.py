"""VP8 and H.264 through PyAV, set up for conversation: one packet for each picture, without delay."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import av
import av.logging
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from tcclient.errors import MediaError
from tcclient.video.bitstream import Codec, holds_keyframe
from tcclient.video.framing import frame_picture
from tcproto.packet import VIDEO_CLOCK
from tcproto.serial import difference, wrapped

MAX_PIXELS = 3840 * 2160
"""Largest picture, in pixels, that is encoded or decoded: a keyframe that claims 16,383 by 16,383 would take 400 MB."""

MAX_ENCODED = 4 << 20
"""Largest encoded picture, in bytes, that a decoder looks at: no more than the assembler can hold."""

MAX_KEYFRAME_INTERVAL = 10 * VIDEO_CLOCK
"""Most ticks between keyframes, so that a recording can be searched, and an unnoticed error ends."""

MAX_STEP = VIDEO_CLOCK
"""Most ticks between two pictures that the rate control is told. After a pause it would send a burst of saved-up
bits, which would congest the link."""

KEYFRAME_TIME = 0.6
"""Seconds that a VP8 keyframe may take at the encoder's rate. On a link that is not faster than the encoder, the
pictures after it wait so long. Without a limit the first keyframe takes up to 0.8 s, and gains at most 0.2 dB in five
seconds. A limit of 0.3 s costs up to 1.1 dB (measured)."""

VP8_RATE_WINDOW = 2.0
"""Seconds over which libvpx keeps the rate. 1 s costs 0.3-0.6 dB at the beginning, more than 2 s gains nothing."""

VP8_INITIAL = Fraction(5, 6)
"""How full the rate window is at the beginning: as full as libvpx keeps it. With its default, two thirds, libvpx saves
bits until the window is as full as that: 2 to 4 % of the rate in the first seconds."""

H264_RATE_WINDOW = 0.6
"""Seconds over which x264 keeps the rate; a keyframe may take half of them. With 2 s x264 exceeds the rate by up to 17
%, and a keyframe takes 0.5 s (measured)."""

VP8_GOOD_PIXELS = 1280 * 720 * 25
"""Pixels per second up to which VP8 is encoded in libvpx's mode "good" at speed 3.

That is as good as the slowest speed of its mode "realtime", and takes less time: 39.3 dB in 11 ms against 39.2 dB in 15
ms for a picture of 640x360. A picture of 1280x720 takes 27 ms. Two cores have just enough time for two such cameras of
25/s: no picture is left out, and sound does not wait. For more pixels "realtime" at ``VP8_FAST`` takes 14 ms, and costs
0.8 dB (measured, one thread, CPU time). Other speeds than 3 are of no use: 2 misses the rate by 20 %, 4 is no better
than "realtime".
"""

VP8_FAST = "-4"
"""``cpu-used`` of the mode "realtime" for more pixels. A negative value is fixed. With a positive one libvpx would
choose from the time that it measures, which costs 2 dB at the beginning."""

PACES: dict[Codec, tuple[float, float]] = {"vp8": (0.4, 4.0), "h264": (0.8, 1.25)}
"""Least and greatest part of its rate at which an encoder is used: VP8 follows, H.264 stays at its own rate."""

NO_KEYFRAMES = 1 << 30
"""Pictures from one keyframe to the next that an encoder may count: keyframes are placed by time and on demand."""

VP8_TEMPORAL = (
    "ts_number_layers=2:ts_target_bitrate={base},{all}:ts_rate_decimator=2,1:ts_periodicity=2:ts_layer_id=0,1"
    ":ts_layering_mode=2"
)
"""Two temporal layers of libvpx: every second picture refers to the one before, and no picture refers to it. ``base``
and ``all`` are in kbit/s."""
VP8_BASE = 0.6
"""Part of the rate that the lower temporal layer gets. Two layers cost 1.3 to 1.7 dB, and 0.5 to 0.7 dB more because
libvpx then has to be error-resilient: else each picture would need the coder's state of the one before (measured)."""

av.logging.set_level(None)  # libraries print about each broken packet; here every failure is an exception


class VideoError(MediaError):
    """A picture could not be encoded or decoded."""


class EncodedFrame(NamedTuple):
    """One encoded picture."""

    data: bytes
    """VP8 frame, or H.264 access unit in Annex B form (SPS and PPS in front of each keyframe)."""
    keyframe: bool
    timestamp: int
    """90 kHz, 32 bits, wraps."""
    temporal_id: int = 0


class VideoEncoder:
    """Encodes pictures of one size at one rate.

    libvpx and x264 ignore later changes of the rate: see ``set_bitrate``. ``width`` and ``height`` are even and at
    least 16, ``fps`` is the nominal rate, ``bitrate`` is in bit/s. There is one thread: the workers of libvpx spin
    while they wait, and on a busy machine of 2 cores a picture takes 100 ms in place of 25 (measured). Raises
    ``VideoError`` for parameters that are not possible.

    With ``temporal_layers`` 2 (VP8 only) every second picture can be left out: no other one refers to it. ``beside`` is
    the number of pixels per second that are encoded in the same thread at the same time.
    """

    def __init__(
        self,
        codec: Codec,
        width: int,
        height: int,
        fps: Fraction | float,
        bitrate: int,
        *,
        temporal_layers: int = 1,
        beside: Fraction = Fraction(0),
    ) -> None:
        if min(width, height) < 16 or width % 2 or height % 2 or width * height > MAX_PIXELS:
            raise VideoError(
                f"{width}x{height} is no size to encode: even, at least 16x16, at most {MAX_PIXELS} pixels"
            )
        rate = Fraction(fps).limit_denominator(1001)
        if not 0 < rate <= 240 or not 1_000 <= bitrate <= 100_000_000:
            raise VideoError(f"cannot encode {fps} pictures/s at {bitrate} bit/s")
        self.width, self.height, self.bitrate = width, height, bitrate
        name, options = _encoder_options(codec, bitrate, rate, width * height * rate + beside, temporal_layers)
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, VIDEO_CLOCK)
        context.framerate = rate
        context.bit_rate = bitrate
        context.gop_size = NO_KEYFRAMES
        context.max_b_frames = 0
        context.thread_count = 1
        context.options = options
        try:
            context.open()
        except av.FFmpegError as error:
            raise VideoError(f"cannot open the {codec} encoder: {error.strerror}") from error
        self._context = context
        self._codec = codec
        self._pace = 1.0
        """Ticks that pass for the rate control in a tick."""
        self._timestamp: int | None = None
        self._pts = 0
        self._since_key_ticks = 0
        """Ticks of media time since the last keyframe."""
        self._temporal_layers = temporal_layers
        self._since_key = 0
        """Pictures since the last keyframe, with which the pattern of temporal layers begins again."""

    def set_bitrate(self, bitrate: int) -> bool:
        """Encode at another rate from the next picture on; return False where that needs another encoder.

        The rate control of libvpx divides its bits by the times of the pictures. So it is told that they are closer
        together, or farther apart, than they are. What it may save up is counted in that time too, so it must not be
        far from the real one. x264 goes by the number of pictures.
        """
        pace = bitrate / self.bitrate
        slowest, fastest = PACES[self._codec]
        if not slowest <= pace <= fastest:
            return False
        self._pace = pace if self._codec == "vp8" else 1.0
        return True

    def encode(self, frame: av.VideoFrame, *, timestamp: int, keyframe: bool = False) -> EncodedFrame:
        """Encode a picture, scaled to the size of the encoder, with bars if its aspect is different.

        ``timestamp`` in 90 kHz may wrap at 32 bits; one that does not advance counts as one tick later. ``keyframe``
        requests a keyframe. The first picture, and one in each ``MAX_KEYFRAME_INTERVAL``, are keyframes anyway. The
        frame is only used during the call. Raises ``VideoError``.
        """
        first = self._timestamp is None
        if self._timestamp is not None:
            step = difference(timestamp, self._timestamp)
            step = min(max(step, 1), MAX_STEP)
            self._pts += max(1, round(step * self._pace))
            self._since_key_ticks += step
        self._timestamp = timestamp
        keyframe = keyframe or first or self._since_key_ticks >= MAX_KEYFRAME_INTERVAL
        try:
            picture = frame_picture(frame, self.width, self.height)
            before = picture.pts, picture.time_base, picture.pict_type
            picture.pts, picture.time_base = self._pts, Fraction(1, VIDEO_CLOCK)
            picture.pict_type = PictureType.I if keyframe else PictureType.NONE
            try:
                packets = self._context.encode(picture)
            finally:
                picture.pts, picture.pict_type = before[0], before[2]
                if before[1] is not None:
                    picture.time_base = before[1]
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(f"cannot encode a picture: {error}") from error
        if len(packets) != 1:
            raise VideoError(f"the encoder gave {len(packets)} packets for a picture")
        self._since_key += 1
        if packets[0].is_keyframe:
            self._since_key_ticks = self._since_key = 0
        temporal = self._since_key % self._temporal_layers
        return EncodedFrame(bytes(packets[0]), packets[0].is_keyframe, wrapped(timestamp), temporal)


class VideoDecoder:
    """Decodes pictures in order. It shows nothing before a keyframe, and nothing that it knows to be damaged.

    Only the receiver of the stream knows whether a picture is missing in between: see ``gate.ReferenceTracker``.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec: Codec = codec
        self.reset()

    def reset(self) -> None:
        """Forget all pictures: the next picture that is shown is a keyframe."""
        context = av.CodecContext.create(self.codec, "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS), "err_detect": "explode", "flags": "low_delay"}
        self._context = context
        self._started = False

    def decode(self, data: bytes) -> av.VideoFrame | None:
        """Return the picture, or None before the first keyframe, or if the data holds no picture.

        Raises ``VideoError`` if the data is no picture, is damaged, or is larger than ``MAX_PIXELS``. After that it
        returns None until the next keyframe.
        """
        if not 0 < len(data) <= MAX_ENCODED:
            raise VideoError(f"{len(data)} bytes are no picture")
        if not self._started and not holds_keyframe(self.codec, data):
            return None
        try:
            frames = self._context.decode(av.Packet(data))
        except av.FFmpegError as error:
            self.reset()
            raise VideoError(f"cannot decode a picture: {error.strerror}") from error
        if any(frame.is_corrupt for frame in frames):
            self.reset()
            raise VideoError("a picture is damaged")
        self._started = True
        return frames[-1] if frames else None


def _encoder_options(
    codec: str, bitrate: int, rate: Fraction, pixels: Fraction, temporal_layers: int
) -> tuple[str, dict[str, str]]:
    if temporal_layers not in (1, 2) or (temporal_layers == 2 and codec != "vp8"):
        raise VideoError(f"cannot encode {codec} in {temporal_layers} temporal layers: vp8 in 1 or 2, others in 1")
    if codec == "vp8":
        good = pixels <= VP8_GOOD_PIXELS
        window = round(bitrate * VP8_RATE_WINDOW)
        # not error-resilient otherwise: that is for decoders that go on after a loss, and costs up to 1 dB
        temporal = {
            "error-resilient": "1",
            "keyint_min": str(NO_KEYFRAMES),  # no keyframe of its own, which would not begin the pattern again
            "ts-parameters": VP8_TEMPORAL.format(base=round(bitrate * VP8_BASE / 1000), all=round(bitrate / 1000)),
        }
        return "libvpx", {
            **(temporal if temporal_layers == 2 else {}),
            "deadline": "good" if good else "realtime",
            "cpu-used": "3" if good else VP8_FAST,
            "lag-in-frames": "0",
            # constant rate: the estimate of the bandwidth is a promise to the link
            "minrate": str(bitrate),
            "maxrate": str(bitrate),
            "bufsize": str(window),
            "rc_init_occupancy": str(round(window * VP8_INITIAL)),
            "max-intra-rate": str(round(100 * KEYFRAME_TIME * rate)),  # percent of an average picture
        }
    if codec == "h264":
        return "libx264", {
            "preset": "veryfast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "sc_threshold": "0",  # a keyframe at each scene cut would be a burst that nobody requested
            "maxrate": str(bitrate),
            "bufsize": str(round(bitrate * H264_RATE_WINDOW)),
        }
    raise VideoError(f"no codec {codec!r}: vp8 or h264")
