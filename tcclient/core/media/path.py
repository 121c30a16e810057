"""The media path of a seat: session keys, proof of the path, pings."""

from __future__ import annotations

from collections import Counter

from tcclient.core.drops import Drop
from tcclient.core.events import PathState
from tcclient.core.media.egress import Egress
from tcclient.core.media.statistics import PathStatistics
from tcproto.datagram import KEY_OVERLAP, Header, Item, ItemType, open_datagram
from tcproto.errors import CryptoFailure
from tcproto.path import (
    PATH_SILENCE,
    PATH_TOKEN_SIZE,
    PING_INTERVAL_CALL,
    PING_INTERVAL_IDLE,
    PING_INTERVAL_SILENT,
    PING_NUMBER_BITS,
    PING_PATIENCE,
    PingItem,
    PongItem,
    parse_ping,
    parse_pong,
)
from tcproto.replay import SESSION_WINDOW, ReplayWindow, Verdict
from tcproto.serial import clock_us, wrapped

PROOF_INTERVALS = (0.2, 0.3, 0.5)
"""Seconds between the first pings. One of them may be lost. The last interval repeats."""
PROOF_TIMEOUT = 5.0
"""Seconds without an answer to the first pings after which UDP counts as blocked, and pings come as in a call."""
POSITION_INTERVAL = 0.1
"""Seconds between pings out of turn. A peer that can make us send them gets at most ten a second."""
MAX_UNANSWERED = 32
"""Pings that wait for their pongs on a path that has become silent. The oldest are forgotten first."""


class _DownKey:
    def __init__(self, key: bytes) -> None:
        self.key = key
        self.window = ReplayWindow(SESSION_WINDOW)
        self.until = float("inf")


class MediaPath:
    """Opens down datagrams, and knows whether UDP works; what it sends goes to ``egress``.

    ``on_call`` says whether anything is published or subscribed, which decides how often to ping. The state stops
    nothing: what is sent while the path is not proved, or lost, may arrive all the same, and there is no other way.
    """

    def __init__(self, egress: Egress, down_key: bytes, drops: Counter[Drop]) -> None:
        self.media_id = egress.media_id
        self.state = PathState.UNKNOWN
        self.statistics = PathStatistics()
        self.on_call = True
        self.next_deadline = 0.0
        """When ``handle_timeout`` is due: at once, at first."""
        self._drops = drops
        self._egress = egress
        self._down = {egress.epoch: _DownKey(down_key)}
        self._down_count = 0
        self._pings: dict[int, tuple[float, int, int]] = {}
        """Pings without a pong, by number: when each was sent, under which epoch and counter."""
        self._number = 0
        self._pinged_at = 0.0
        self._silent_since: float | None = None
        """When the first ping was sent since anything came."""
        self._position_asked_at = float("-inf")
        self._started_at: float | None = None
        self._covered = (egress.epoch, 0, 0)
        """Epoch, highest counter and count of the pong before, which give the loss since."""

    def rekey(self, media_id: int, epoch: int, up_key: bytes, down_key: bytes, now: float) -> None:
        """Use new keys. The old down key is good for the overlap; an epoch that is still known changes nothing."""
        if epoch in self._down and now < self._down[epoch].until:
            return
        for held in self._down.values():
            held.until = min(held.until, now + KEY_OVERLAP)
        self.forget(now)
        self._down[epoch] = _DownKey(down_key)
        self.media_id = media_id
        self._egress.rekey(media_id, epoch, up_key)

    def forget(self, now: float) -> None:
        """Forget the down keys whose overlap is over."""
        self._down = {epoch: held for epoch, held in self._down.items() if now < held.until}

    def move(self, media_id: int, epoch: int, up_key: bytes, down_key: bytes, now: float) -> None:
        """Use another media id with its keys, and prove the path again, at once."""
        self.rekey(media_id, epoch, up_key, down_key, now)
        self.state = PathState.UNKNOWN
        self.next_deadline = now
        self._started_at = None
        self._number = 0
        self._silent_since = None
        self._pings.clear()

    def open(self, header: Header, data: bytes, now: float) -> bytes | None:
        """Return the plaintext of a down datagram that came by UDP, or None where it was dropped."""
        held = self._down.get(header.epoch)
        if held is None or now >= held.until:
            self._drops[Drop.UNKNOWN_EPOCH] += 1
            return None
        if held.window.check(header.counter) is not Verdict.NEW:
            self._drops[Drop.REPLAY] += 1
            return None
        try:
            plaintext = open_datagram(data, held.key)
        except CryptoFailure:
            self._drops[Drop.NOT_OPENED] += 1
            return None
        self._down_count += 1
        self.hear(header.counter < held.window.highest)
        held.window.commit(header.counter)
        return plaintext

    def hear(self, reordered: bool) -> None:
        """Take note of a datagram of either kind that came by UDP and opened: the way down works."""
        self.statistics.down_received += 1
        self.statistics.down_reordered += reordered
        if self._silent_since is not None and self.state is not PathState.UNKNOWN:
            self.state = PathState.OK
            self._silent_since = None
            self.next_deadline = self._pinged_at + self._interval()

    def handle_item(self, type_: int, value: bytes, now: float) -> None:
        """Act on an item of a down datagram that came by UDP; raises ``ValueError`` where it is malformed."""
        if type_ == ItemType.PONG:
            self._pong(parse_pong(value), now)
        elif type_ == ItemType.PING:
            number, time = parse_ping(value)
            highest = max(0, self._down[self._egress.epoch].window.highest)
            pong = PongItem(number, time, clock_us(now), highest, wrapped(self._down_count))
            self._egress.send(Item(ItemType.PONG, pong.pack()))
        elif type_ == ItemType.PATH_CHALLENGE:
            if len(value) != PATH_TOKEN_SIZE:
                raise ValueError("path challenge of a wrong length")
            self._egress.send(Item(ItemType.PATH_RESPONSE, value))
            self._pings.clear()
            self._proven(now)

    def handle_timeout(self, now: float) -> None:
        """Send the ping that is due, and notice that the path is lost."""
        if now < self.next_deadline:
            return
        if self._started_at is None:
            self._started_at = now
        silent = self.state is PathState.OK and self._silent_for(now) >= PATH_SILENCE
        blocked = self.state is PathState.UNKNOWN and now >= self._started_at + PROOF_TIMEOUT
        if silent or blocked:
            self.state = PathState.LOST
        self._number = wrapped(self._number + 1, PING_NUMBER_BITS)
        self._pings[self._number] = (now, self._egress.epoch, self._egress.counter)
        if len(self._pings) > MAX_UNANSWERED:
            del self._pings[next(iter(self._pings))]
        self._ping(now)
        self._pinged_at = now
        if self._silent_since is None:
            self._silent_since = now
        self.next_deadline = now + self._interval()

    def ask_position(self, now: float) -> None:
        """Ping out of turn for the positions beside the pong, unless that was just done. A lost one counts as nothing.

        So a window that was left behind in an outage follows within a round trip.
        """
        if now >= self._position_asked_at + POSITION_INTERVAL:
            self._position_asked_at = now
            self._ping(now)

    def _ping(self, now: float) -> None:
        self._egress.send(Item(ItemType.PING, PingItem(self._number, clock_us(now)).pack()))

    def _silent_for(self, now: float) -> float:
        """Return the seconds in which pings were sent and nothing came."""
        return 0.0 if self._silent_since is None else now - self._silent_since

    def _interval(self) -> float:
        """Return the seconds from the latest ping to the next one."""
        if self.state is PathState.UNKNOWN:
            return PROOF_INTERVALS[min(self._number, len(PROOF_INTERVALS)) - 1]
        if self.state is PathState.LOST:
            return PING_INTERVAL_CALL
        if self._silent_since is None:
            return PING_INTERVAL_CALL if self.on_call else PING_INTERVAL_IDLE
        return PING_PATIENCE if self._pinged_at < self._silent_since + PING_PATIENCE else PING_INTERVAL_SILENT

    def _pong(self, pong: PongItem, now: float) -> None:
        sent_at, epoch_sent, counter = self._pings.get(pong.number, (None, 0, 0))
        if sent_at is None or pong.time != clock_us(sent_at):
            return
        self._pings = {number: ping for number, ping in self._pings.items() if ping[0] > sent_at}
        rtt = now - sent_at
        self.statistics.measured(rtt, pong.received_at - clock_us(now - rtt / 2))
        epoch, highest, received = self._covered
        sent = pong.highest - highest
        arrived = wrapped(pong.received - received)
        if epoch == self._egress.epoch and 0 <= arrived <= sent:
            self.statistics.up_counted(sent, sent - arrived, now)
        self.statistics.ping_arrived(
            pong.time, pong.received_at, epoch_sent == self._egress.epoch and pong.highest > counter
        )
        self._covered = (self._egress.epoch, pong.highest, pong.received)
        self._proven(now)

    def _proven(self, now: float) -> None:
        if self.state is not PathState.OK:
            self.state = PathState.OK
            self._silent_since = None
            self.next_deadline = min(self.next_deadline, now + PING_INTERVAL_CALL)
