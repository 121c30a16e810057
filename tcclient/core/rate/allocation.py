"""What each of our publications may send: sound first, then pictures from the lowest layer upwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import NamedTuple

from tcclient.core.path.train import HEADERS
from tcproto.copies import COPY_OVERHEAD
from tcproto.datagram import MIN_DATAGRAM
from tcproto.messages import Caps
from tcproto.packet import AUDIO_HEADER_SIZE, AUDIO_PADDING_STEP, MAX_VIDEO_PAYLOAD, VIDEO_HEADER_SIZE
from tcproto.secretbox import TAG_SIZE

_AROUND = HEADERS + MIN_DATAGRAM + 1 + TAG_SIZE
"""Bytes on the line around a packet in a datagram of its own, without the packet's header."""
AROUND_SOUND = _AROUND + AUDIO_HEADER_SIZE
AROUND_PICTURE = _AROUND + VIDEO_HEADER_SIZE + 1
UNCAPPED = Caps(2**32 - 1, 2**16 - 1)
LEAST_OPUS = 6_000
"""Bits per second of Opus at least."""
CAP_SHARE = 0.9
"""Share of the server's cap that an encoder gets: it is not exact, and what is sent again counts too."""
LEAST_PICTURE = 50_000
"""Bits per second on the line below which a picture of 320x180 is no use to anybody."""
LEAST_LAYER = 0.5
"""Share of its own bitrate that a spatial layer above the lowest needs: with less, the lower one looks as good."""
STILLS_COST = 1.2
"""Times of its bitrate that a layer of still pictures takes of the line: its packets are few, and not full."""
MORE = 1.2
"""Times of what something needs that there has to be, so that it is sent again."""
AGAIN = 5.0
"""Seconds after something was given up until it is tried again, so that nothing comes and goes."""
FROM_RATE = 0.05
"""Share by which the bitrate of a picture has to differ, so that its encoder is told."""


class SoundRate(NamedTuple):
    """How sound is encoded."""

    bitrate: int
    """Bits per second of Opus."""
    frame_ms: int

    @property
    def cost(self) -> float:
        """Bits per second on the line."""
        payload = self.bitrate * self.frame_ms // 8000 + 1
        padded = ceil(payload / AUDIO_PADDING_STEP) * AUDIO_PADDING_STEP
        return (padded + AROUND_SOUND) * 8 * 1000 / self.frame_ms

    @property
    def copy_cost(self) -> float:
        """Bits per second on the line of a copy behind each packet, at most: pauses have none."""
        return self.bitrate + COPY_OVERHEAD * 8 * 1000 / self.frame_ms


SOUND_RATES = (SoundRate(15_800, 40), SoundRate(12_667, 60), SoundRate(8_400, 60))
"""What sound is lowered to, one after the other: the packets fill whole blocks of 16 bytes. Longer ones need fewer
headers, which are most of the 61 kbit/s of a voice in packets of 20 ms."""
LOW_RATE = SOUND_RATES[-1]
"""That of a ``microphone_low``."""
WITH_PICTURES = 2
"""Steps of sound, the one that is wanted included, that pictures wait for; below that sound comes first alone."""


@dataclass(frozen=True, slots=True)
class SoundDemand:
    """Sound that adapts. ``rate`` is how it is encoded where there is room."""

    rate: SoundRate
    caps: Caps = UNCAPPED


@dataclass(frozen=True, slots=True)
class PictureDemand:
    """Pictures that adapt. ``bitrates`` are those of the spatial layers where there is room, the smallest first."""

    bitrates: tuple[int, ...]
    frame_rate: float
    caps: Caps = UNCAPPED
    wanted: tuple[bool, ...] = ()
    """Which spatial layers anybody wants; empty: all."""
    stills: bool = False
    """Whether the lowest layer is one of still pictures, which takes little and stays as it is."""

    def cost(self, bitrate: float) -> float:
        """Return the bits per second on the line of a layer of ``bitrate``."""
        packets = max(self.frame_rate, bitrate / 8 / MAX_VIDEO_PAYLOAD)
        return bitrate + 8 * AROUND_PICTURE * packets

    def bitrate(self, cost: float) -> float:
        """Return the bitrate of a layer that takes ``cost`` bits per second on the line."""
        few = cost - 8 * AROUND_PICTURE * self.frame_rate
        return max(0.0, min(few, cost / (1 + AROUND_PICTURE / MAX_VIDEO_PAYLOAD)))

    @property
    def layers(self) -> list[int]:
        """The spatial layers that anybody wants."""
        return [i for i in range(len(self.bitrates)) if not self.wanted or self.wanted[i]]

    @property
    def moving(self) -> list[int]:
        """The same without that of still pictures."""
        return [i for i in self.layers if i >= self.stills]

    @property
    def stills_cost(self) -> float:
        """Bits per second on the line of still pictures, 0 where nobody wants any."""
        return STILLS_COST * self.bitrates[0] if self.stills and 0 in self.layers else 0.0


Demand = SoundDemand | PictureDemand


class PictureRate(NamedTuple):
    """How pictures are encoded."""

    bitrates: tuple[int, ...]
    """Bits per second of each spatial layer, the smallest first; 0: it is not sent."""


Rate = SoundRate | PictureRate


class SendingLimit(StrEnum):
    """Why we send less than we would."""

    UPLINK = "uplink"
    """Our way up carries no more."""
    SERVER = "server"
    """The server accepts no more of one publication."""


@dataclass(slots=True)
class _Given:
    """What a publication of pictures has been told."""

    rate: PictureRate
    is_short: bool = False
    """Whether it would send more if the way carried more."""
    is_capped: bool = False
    """Whether it would if the server accepted more."""
    lowered_at: float = float("-inf")
    """When a layer was given up."""


class Allocation:
    """Divides the bits per second of the way up. The same step of sound holds for all sounds, since one is heard.

    Less is given at once. More is given ``AGAIN`` seconds later, and if there is ``MORE`` than is needed.
    """

    def __init__(self) -> None:
        self._sounds: dict[int, SoundRate] = {}
        """What was told of sound, by publication."""
        self._pictures: dict[int, _Given] = {}
        """The same of pictures."""
        self._has_capped_sound = False
        self._step = 0
        """Steps by which sound is lowered."""
        self._stepped_at = float("-inf")

    @property
    def is_short(self) -> bool:
        """Whether something is lowered or left out that the server would accept."""
        return self._step > 0 or any(given.is_short for given in self._pictures.values())

    @property
    def limit(self) -> SendingLimit | None:
        """Why something is lowered or left out; None: nothing is."""
        if self.is_short:
            return SendingLimit.UPLINK
        is_capped = self._has_capped_sound or any(given.is_capped for given in self._pictures.values())
        return SendingLimit.SERVER if is_capped else None

    def divide(
        self, bitrate: float | None, demands: Mapping[int, Demand], now: float, copies: int = 0
    ) -> dict[int, Rate]:
        """Return what has changed, by publication. ``bitrate`` is with all headers; None: no bound is known.

        Pictures leave room for the ``copies`` behind each packet of sound, down to ``LEAST_PICTURE``.
        """
        left = float("inf") if bitrate is None else bitrate
        sounds = {n: _capped(demand) for n, demand in demands.items() if isinstance(demand, SoundDemand)}
        pictures = {n: demand for n, demand in demands.items() if isinstance(demand, PictureDemand)}
        wanted = {n: demand.rate for n, demand in demands.items() if isinstance(demand, SoundDemand)}
        self._has_capped_sound = sounds != wanted
        if sounds:
            left -= self._choose_step(left, sounds, any(picture.layers for picture in pictures.values()), now)
        rates = {number: _lowered(rate, self._step) for number, rate in sounds.items()}
        changed: dict[int, Rate] = {n: rate for n, rate in rates.items() if self._sounds.get(n) != rate}
        self._sounds = rates
        self._pictures = {number: given for number, given in self._pictures.items() if number in pictures}
        each = len(pictures)
        copied = copies * sum(rate.copy_cost for rate in rates.values())
        left = max(left - copied, min(left, each * LEAST_PICTURE))
        for number, picture in pictures.items():
            rate, taken = self._divide_picture(number, max(0.0, left) / each, picture, now)
            left -= taken
            each -= 1
            if rate is not None:
                changed[number] = rate
        return changed

    def _choose_step(self, left: float, sounds: Mapping[int, SoundRate], beside: bool, now: float) -> float:
        """Choose the step of sound; return what it takes."""
        cost = 0.0
        for step in range(len(SOUND_RATES) + 1):
            up = step < self._step
            cost = sum(_lowered(rate, step).cost for rate in sounds.values())
            needs = cost + (LEAST_PICTURE if beside and step < WITH_PICTURES else 0)
            if needs * (MORE if up else 1.0) <= left and not (up and now - self._stepped_at < AGAIN):
                break
        if step != self._step:
            self._step, self._stepped_at = step, now
        return cost

    def _divide_picture(
        self, number: int, left: float, demand: PictureDemand, now: float
    ) -> tuple[PictureRate | None, float]:
        """Choose the bitrates of the layers; return them, None where they stay, and what they take."""
        given = self._pictures.get(number)
        sent = given.rate.bitrates if given else (0,) * len(demand.bitrates)
        bitrates = [0] * len(demand.bitrates)
        short = capped = False
        lacks = demand.stills_cost > left
        taken = 0.0 if lacks else demand.stills_cost
        cap = CAP_SHARE * demand.caps.bitrate - taken
        if taken:
            bitrates[0] = demand.bitrates[0]
        for layer in demand.moving:
            full = min(demand.bitrates[layer], cap)
            capped = capped or full < CAP_SHARE * demand.bitrates[layer]
            least = demand.cost(LEAST_LAYER * full) if any(bitrates[demand.stills :]) else LEAST_PICTURE
            if given and not sent[layer]:
                least *= MORE
                short = short or now - given.lowered_at < AGAIN
            short = short or left - taken < least
            if not short:
                bitrates[layer] = round(min(full, demand.bitrate(left - taken)))
                taken += demand.cost(bitrates[layer])
                cap -= bitrates[layer]
            lacks = lacks or bitrates[layer] < CAP_SHARE * full
        rate = PictureRate(tuple(bitrates))
        if given is None:
            self._pictures[number] = _Given(rate, lacks, capped)
            return rate, taken
        given.is_short, given.is_capped = lacks, capped
        if short and any(old and not new for old, new in zip(sent, bitrates, strict=True)):
            given.lowered_at = now
        if _is_near(given.rate, rate):
            return None, taken
        given.rate = rate
        return rate, taken


def _lowered(rate: SoundRate, step: int) -> SoundRate:
    """Return how sound is encoded at a step, never at more than it is where there is room."""
    if step == 0 or SOUND_RATES[step - 1].cost >= rate.cost:
        return rate
    return SOUND_RATES[step - 1]


def _capped(demand: SoundDemand) -> SoundRate:
    """Return how sound is encoded where there is room, within what the server accepts of it."""
    rate, most = demand.rate, CAP_SHARE * demand.caps.bitrate
    headers = 8000 * (AROUND_SOUND - HEADERS + AUDIO_PADDING_STEP) / rate.frame_ms
    return rate if rate.bitrate + headers <= most else SoundRate(max(LEAST_OPUS, int(most - headers)), rate.frame_ms)


def _is_near(before: PictureRate, after: PictureRate) -> bool:
    """Return whether the bitrates differ by so little that it is not worth to tell."""
    return all(abs(new - old) <= FROM_RATE * old for old, new in zip(before.bitrates, after.bitrates, strict=True))
