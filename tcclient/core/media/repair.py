"""Repair of the way down: what was lost is asked for again, while it may still be of use."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass

from tcclient.core.media.packet import Slot
from tcclient.core.timers import NEVER
from tcproto.datagram import FORWARD_BITS, MAX_UP_ITEMS, Item, ItemType
from tcproto.feedback import MAX_TRIES, REPEAT_INTERVAL, RetransmissionRequest
from tcproto.packet import parse_series
from tcproto.serial import wrapped

AUDIO_PATIENCE = 0.4
"""Seconds after which lost sound is of no use: a jitter buffer holds packets back for so long at most."""
RECORDING_PATIENCE = 2.0
"""The same where it is recorded. The server keeps sound for about 2.5 s."""
VIDEO_PATIENCE = 0.5
"""Seconds after which a lost piece of a picture is of no use: pieces are collected for so long."""
REORDER_WAIT = 0.02
"""Seconds for which a missing packet may just have been overtaken, where that happens."""
REORDER_MEMORY = 10.0
"""Seconds after which a network that has let packets overtake each other is trusted again."""
SPACING_MARGIN = 0.01
"""Seconds by which an answer may be later than the usual round trip before it counts as lost, at least."""
MIN_SPACING = REPEAT_INTERVAL + SPACING_MARGIN
"""Seconds between two requests for a packet, at least."""
MAX_MISSING = 256
"""Packets that are missed at a time; the oldest are given up first. The server repeats no more in a second."""
MAX_GAP = 128
"""Packets lost in a row that are asked for, the newest: more of them is an outage, after which a keyframe helps."""
UNKNOWN_RTT = 0.1
"""Seconds of a round trip that was not measured yet, as in libwebrtc."""
QUICK, MORE_QUICK, MORE_FROM, MORE_WITH_ROOM = 2, 3, 0.25, 0.1
"""How often sound is asked for before an answer can have come, the same where much is lost, and from which share on;
from which where a voice is left out or pictures come, so that there is room on the line.

At 20 % loss one answer in five is lost. To find that out takes a round trip, which all sound would have to wait for.
Where a voice begins, nobody knows yet how much is lost, and where little is lost it costs little.
"""
PICTURES_AGAIN = 3
"""The same of a piece of a picture of which an answer was lost: it holds up all pictures behind it. At 20 % loss that
is one piece in 25, of which one in 5 would be lost again if it was asked for once, and one in 125 is.
"""
QUICK_TRIES = 4
"""Requests at even intervals: what a conversation can wait for. After them each interval is twice the one before."""
QUICKEST = 0.7
"""Part of the usual round trip before which no answer comes: what comes sooner was overtaken, and not lost."""
_WIDTH = 16
"""Forward numbers of a request, beside its first one."""


@dataclass(slots=True)
class _Missing:
    due: float
    """When it is asked for next."""
    until: float
    """When it is of no use any more."""
    tries: int = 0
    asked_at: float = 0.0
    """When it was asked for first."""
    left: int = 1
    """How often it is asked for before an answer is waited for."""
    again: int = 1
    """The same after the answers were lost."""


def quick_requests(loss: float, has_room: bool) -> int:
    """Return how often sound is asked for before an answer can have come, where this share is lost."""
    return QUICK if loss < (MORE_WITH_ROOM if has_room else MORE_FROM) else MORE_QUICK


class Repair:
    """The packets that are missed, by series and forward number.

    ``send`` sends the items of one datagram. ``round_trip`` returns the seconds of a round trip and their mean
    deviation; the former is None until it is measured.
    """

    def __init__(
        self, send: Callable[[list[Item]], None], round_trip: Callable[[], tuple[float | None, float]]
    ) -> None:
        self.next_deadline = NEVER
        """When ``handle_timeout`` is due."""
        self._send = send
        self._round_trip = round_trip
        self._missing: dict[Slot, dict[int, _Missing]] = {}
        self._count = 0
        self._copied: dict[tuple[Slot, int], _Missing] = {}
        """Packets of which a copy has come. The oldest of more than ``MAX_MISSING`` are forgotten."""
        self._overtaken_at = float("-inf")

    def lost(
        self,
        slot: Slot,
        forward: int,
        count: int,
        patience: float,
        now: float,
        copied: Callable[[int], float] = lambda _: 0.0,
        *,
        quick: int = 1,
        again: int = 0,
    ) -> None:
        """Note that the ``count`` packets before the forward number are missing.

        They are of use for ``patience`` seconds. The packet ``back`` before that number may come as a copy within
        ``copied(back)`` seconds, which costs less. Each is asked for ``quick`` times before an answer is waited for,
        and ``again`` times (0: as many) each time that none has come.
        """
        least = REORDER_WAIT if now < self._overtaken_at + REORDER_MEMORY else 0.0
        rtt, _ = self._round_trip()
        most = patience - (UNKNOWN_RTT if rtt is None else rtt)
        missing = self._missing.setdefault(slot, {})
        for back in range(min(count, MAX_GAP), 0, -1):
            number = wrapped(forward - back, FORWARD_BITS)
            self._count += number not in missing  # a server may count in circles
            wait = max(copied(back), least)
            due = now + wait if wait <= most else now  # if there is no time for both, it is asked for at once
            missing[number] = _Missing(due, now + patience, left=quick, again=again or quick)
            self.next_deadline = min(self.next_deadline, due)
        while self._count > MAX_MISSING:
            self._give_up_oldest()

    def came(self, slot: Slot, forward: int, now: float) -> bool:
        """Note that a packet has come after all; return whether it is an answer. If not, others have overtaken it."""
        missing = self._copied.pop((slot, forward), None) or self._take(slot, forward)
        rtt, _ = self._round_trip()
        answered = missing is not None and missing.tries > 0 and now - missing.asked_at >= QUICKEST * (rtt or 0.0)
        if not answered:
            self._overtaken_at = now
        return answered

    def recovered(self, slot: Slot, forward: int) -> bool:
        """Note that a copy of a packet has come; return whether the packet was missing."""
        missing = self._take(slot, forward)
        if missing is None:
            return False
        self._copied[slot, forward] = missing
        if len(self._copied) > MAX_MISSING:
            del self._copied[next(iter(self._copied))]
        return True

    def is_recovered(self, slot: Slot, forward: int) -> bool:
        """Return whether a copy of a packet has come, and the packet itself has not."""
        return (slot, forward) in self._copied

    def keep(self, streams: Iterable[int]) -> None:
        """Forget what is missing of all streams but these."""
        kept = set(streams)
        self._missing = {slot: missing for slot, missing in self._missing.items() if slot[1] in kept}
        self._count = sum(map(len, self._missing.values()))
        self._copied = {key: missing for key, missing in self._copied.items() if key[0][1] in kept}

    def stop(self, streams: Container[int]) -> None:
        """Ask for nothing that is missing of these any more. Answers to what was asked for may still come."""
        for slot, missing in [(slot, missing) for slot, missing in self._missing.items() if slot[1] in streams]:
            for forward, packet in list(missing.items()):
                if packet.tries:
                    packet.due = packet.until
                else:
                    self._take(slot, forward)

    def handle_timeout(self, now: float) -> None:
        """Ask for what is due, and give up what would come too late."""
        rtt, deviation = self._round_trip()
        rtt = UNKNOWN_RTT if rtt is None else rtt
        spacing = max(rtt + max(SPACING_MARGIN, 2 * deviation), MIN_SPACING)
        requests: list[Item] = []
        self.next_deadline = NEVER
        for slot, missing in list(self._missing.items()):
            asked = []
            for forward, packet in list(missing.items()):
                if packet.due > now:
                    pass
                elif packet.tries < MAX_TRIES and now + rtt <= packet.until:
                    if not packet.tries:
                        packet.asked_at = now
                    packet.tries += 1
                    packet.left -= 1
                    wait = spacing * 2 ** max(0, packet.tries - QUICK_TRIES)
                    packet.due = now + (MIN_SPACING if packet.left else wait)
                    packet.left = packet.left or packet.again
                    asked.append(forward)
                elif packet.tries and now < packet.until:
                    packet.due = packet.until  # the last answer may still come
                else:
                    self._take(slot, forward)
                    continue
                self.next_deadline = min(self.next_deadline, packet.due)
            requests += _requests(slot, asked)
        for start in range(0, len(requests), MAX_UP_ITEMS):
            self._send(requests[start : start + MAX_UP_ITEMS])

    def _take(self, slot: Slot, forward: int) -> _Missing | None:
        missing = self._missing.get(slot)
        packet = None if missing is None else missing.pop(forward, None)
        if missing is not None and packet is not None:
            self._count -= 1
            if not missing:
                del self._missing[slot]
        return packet

    def _give_up_oldest(self) -> None:
        """Give up the packet that was missed first in the series that was the first to miss any."""
        slot, missing = next(iter(self._missing.items()))
        self._take(slot, next(iter(missing)))


def _requests(slot: Slot, numbers: list[int]) -> Iterator[Item]:
    """Yield items that ask for forward numbers, which are in their order but for gaps."""
    sealer, stream, code = slot
    series = parse_series(stream, code)
    while numbers:
        base, bitmap, rest = numbers[0], 0, []
        for number in numbers[1:]:
            ahead = wrapped(number - base - 1, FORWARD_BITS)
            if ahead < _WIDTH:
                bitmap |= 1 << ahead
            else:
                rest.append(number)
        yield Item(ItemType.RETRANSMISSION_REQUEST, RetransmissionRequest(sealer, series, base, bitmap).pack())
        numbers = rest
