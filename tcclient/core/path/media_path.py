"""The media path of a seat: session keys, the ways of its datagrams, pings."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tcclient.core.drops import Drop
from tcclient.core.path.egress import Egress
from tcclient.core.path.probation import Probation
from tcclient.core.path.proof import IMPATIENT, PATIENT, LargeProof, PathState, Proof, Way
from tcclient.core.path.statistics import PathStatistics
from tcproto.datagram import KEY_OVERLAP, MAX_DATAGRAM, MIN_DATAGRAM, Header, Item, ItemType, open_datagram
from tcproto.errors import CryptoFailure
from tcproto.feedback import parse_resend_request
from tcproto.path import PATH_TOKEN_SIZE, PING_NUMBER_BITS, PingItem, PongItem, parse_ping, parse_pong
from tcproto.replay import SESSION_WINDOW, ReplayWindow, Verdict
from tcproto.serial import clock_us, wrapped

POSITION_INTERVAL = 0.1
"""Seconds between pings out of turn. A peer that can make us send them gets at most ten a second."""
MAX_UNANSWERED = 32
"""Pings that wait for their pongs on a path that has become silent. The oldest are forgotten first."""


class _DownKey:
    def __init__(self, key: bytes) -> None:
        self.key = key
        self.window = ReplayWindow(SESSION_WINDOW)
        self.until = float("inf")


PING_PADDING = MAX_DATAGRAM - MIN_DATAGRAM - 10
"""Bytes that make a ping a datagram of the greatest size: a ping is an item of 9 bytes, the padding has a head of 1."""


class _Ping(NamedTuple):
    """A ping without a pong."""

    way: Way
    sent_at: float
    epoch: int
    counter: int
    large: bool


class MediaPath:
    """Opens down datagrams, and decides by which way ours leave, ``way``; what it sends goes to ``egress``.

    ``ways`` are those that there are. UDP is used as long as it works; then the stream, until UDP has been steady for a
    while. The server follows: it sends by the way whose challenge was answered last. So a challenge is answered only
    on the way in use. Without another way the state stops nothing: what is sent on a lost path may arrive all the same.
    At the start the stream is pinged, too, as soon as the first answer by UDP is late, and used if it answers before.

    ``on_call`` says whether anything is published or subscribed, which decides how often to ping.
    """

    def __init__(self, egress: Egress, down_key: bytes, drops: Counter[Drop], ways: Sequence[Way] = (Way.UDP,)) -> None:
        self.media_id = egress.media_id
        self.way = Way.UDP if Way.UDP in ways else Way.STREAM
        self.statistics = PathStatistics()
        self.on_call = True
        self.control_rtt: float | None = None
        """Seconds of a round trip on the control connection, None until measured. The stream has the same."""
        self.needs_large = False
        """Whether pictures are sent or wanted."""
        self.take_report: Callable[[bytes, float], None] = lambda value, now: None
        """Takes an arrival report, with ``now``; raises ``ValueError`` where it is malformed."""
        self.take_urgent: Callable[[bytes, float], None] = lambda value, now: None
        """Takes an urgent message in the same way."""
        self._drops = drops
        self._egress = egress
        self._down = {egress.epoch: _DownKey(down_key)}
        self._down_count = 0
        self._pings: dict[int, _Ping] = {}
        """By number."""
        self._number = 0
        self._position_asked_at = float("-inf")
        self._patience = PATIENT if len(ways) == 1 else IMPATIENT
        """That with UDP, where it is a way."""
        self._proof = Proof(self._patience, 0.0)
        """Of the way in use."""
        self._large = LargeProof()
        """Of UDP as it is now."""
        self._probation = Probation()
        self._probes: deque[int] = deque(maxlen=MAX_UNANSWERED)
        """Counters of pings by the way that is not in use. Their loss says nothing about the one that is."""
        self._covered = (egress.epoch, 0, 0)
        """Epoch, highest counter and count of the pong before, which give the loss since."""

    @property
    def state(self) -> PathState:
        """State of the way in use."""
        return self._proof.state

    @property
    def next_deadline(self) -> float:
        """When ``handle_timeout`` is due: at once, at first."""
        return min(self._proof.next_deadline, self._probation.next_deadline)

    @property
    def round_trip(self) -> tuple[float | None, float]:
        """Seconds of a round trip by the way in use, None until measured, and their mean deviation."""
        return self.statistics.rtt, self.statistics.rtt_jitter

    def up_loss(self) -> tuple[float, int]:
        """Return the share that UDP has lost of late on the way up, and of how many datagrams. A stream loses none."""
        return self.statistics.up_loss() if self.way is Way.UDP else (0.0, 0)

    def send(self, *items: Item) -> None:
        """Send items in a datagram of their own."""
        self._egress.send(*items)

    def send_by_udp(self, item: Item) -> None:
        """Send an item by UDP, if that is the way in use and proved; else it has no use."""
        if self.way is Way.UDP and self.state is PathState.OK:
            self.send(item)

    def rekey(self, media_id: int, epoch: int, up_key: bytes, down_key: bytes, now: float) -> None:
        """Use new keys. The old down key is good for the overlap; an epoch that is still known changes nothing."""
        if epoch in self._down and now < self._down[epoch].until:
            return
        for held in self._down.values():
            held.until = min(held.until, now + KEY_OVERLAP)
        self.forget(now)
        self._down[epoch] = _DownKey(down_key)
        self.media_id = media_id
        self._probes.clear()
        self._egress.rekey(media_id, epoch, up_key)

    def forget(self, now: float) -> None:
        """Forget the down keys whose overlap is over."""
        self._down = {epoch: held for epoch, held in self._down.items() if now < held.until}

    def move(self, media_id: int, epoch: int, up_key: bytes, down_key: bytes, now: float) -> None:
        """Use another media id with its keys, and prove the path again, at once."""
        self.rekey(media_id, epoch, up_key, down_key, now)
        self._proof = Proof(self._patience if self.way is Way.UDP else PATIENT, now)
        self._number = 0
        self._pings.clear()

    def open(self, header: Header, data: bytes, way: Way, now: float) -> bytes | None:
        """Return the plaintext of a down datagram, or None where it was dropped."""
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
        self.hear(header.counter < held.window.highest, way, now)
        held.window.commit(header.counter)
        return plaintext

    def hear(self, reordered: bool, way: Way, now: float) -> None:
        """Take note of a datagram of either kind that opened: this way down works."""
        self.statistics.down_received += 1
        self.statistics.down_reordered += reordered
        if way is self.way:
            self._proof.hear(now)

    def expect(self, speech: bool) -> None:
        """Take note of whether somebody speaks. If nothing comes then, UDP is pinged at once.

        So a server finds the address of a silent client again that a NAT has changed. A stream has no such address.
        """
        if self.way is Way.UDP:
            self._proof.expect(speech)

    def doubt(self, now: float) -> None:
        """Nothing but answers comes: use the stream, if there is one, until UDP has been steady for long.

        Perhaps only small datagrams pass.
        """
        if self._patience is IMPATIENT and self.way is Way.UDP:
            self._give_way(now, doubted=True)

    def handle_item(self, type_: int, value: bytes, way: Way, now: float, waited: float | None = 0.0) -> None:
        """Act on an item of a down datagram, which has ``waited`` on this machine for so many seconds; None: unknown.

        Raises ``ValueError`` where the item is malformed.
        """
        if type_ == ItemType.PONG:
            self._pong(parse_pong(value), way, now, waited)
        elif type_ == ItemType.PING:
            number, time = parse_ping(value)
            highest = max(0, self._down[self._egress.epoch].window.highest)
            pong = PongItem(number, time, clock_us(now - (waited or 0.0)), highest, wrapped(self._down_count))
            self._egress.send(Item(ItemType.PONG, pong.pack()))
        elif type_ == ItemType.RESEND_REQUEST:
            self._egress.resend(parse_resend_request(value))
        elif type_ == ItemType.ARRIVAL_REPORT:
            if way is Way.UDP and self.way is Way.UDP:
                self.take_report(value, now)
        elif type_ == ItemType.URGENT:
            self.take_urgent(value, now)
        elif type_ == ItemType.PATH_CHALLENGE:
            if len(value) != PATH_TOKEN_SIZE:
                raise ValueError("path challenge of a wrong length")
            if way is self.way:
                self._egress.send(Item(ItemType.PATH_RESPONSE, value))
                self._pings.clear()
                self._proof.prove(now)
            elif way is Way.UDP:
                self._probation.challenged(value, now)

    @property
    def carries_large(self) -> bool:
        """Whether datagrams of pictures get through, as far as is known."""
        return self.way is not Way.UDP or not self._large.is_stopped

    def handle_timeout(self, now: float) -> None:
        """Send the pings that are due, and notice that a way is lost."""
        if now >= self._proof.next_deadline:
            self._proof.expire(self.statistics.rtt, now)
            if self.state is PathState.LOST and self._patience is IMPATIENT and self.way is Way.UDP:
                self._give_way(now)
            if self._asks_stream(now):
                self._ping(Way.STREAM, now, large=False)
            else:
                self._ping(self.way, now, self.way is Way.UDP and self.state is PathState.OK and self._large.take())
            self._proof.pinged(self.on_call, now)
            if self.needs_large and self._large.is_stopped:
                self.doubt(now)
        if now >= self._probation.next_deadline:
            self._ping(Way.UDP, now, self._probation.is_doubted)
            self._probation.pinged(self.state is PathState.LOST, now)

    def ask_position(self, now: float) -> None:
        """Ping out of turn for the positions beside the pong, unless that was just done. A lost one counts as nothing.

        So a window that was left behind in an outage follows within a round trip.
        """
        if now >= self._position_asked_at + POSITION_INTERVAL:
            self._position_asked_at = now
            self._egress.send(self._ping_item(now))

    def _asks_stream(self, now: float) -> bool:
        """Return whether to ping the stream, once, in place of UDP, whose first answer is late.

        Not beside it: the server challenges one address at a time, that of the newest datagram.
        """
        return (
            self._patience is IMPATIENT
            and self.way is Way.UDP
            and self.control_rtt is not None
            and self._proof.is_late(self.control_rtt, now)
            and not any(ping.way is Way.STREAM for ping in self._pings.values())
        )

    def _give_way(self, now: float, *, doubted: bool = False) -> None:
        """Use the stream from now on, until UDP has been steady."""
        self._take(Way.STREAM, now)
        self._probation.begin(now, doubted=doubted)

    def _ping(self, way: Way, now: float, large: bool) -> None:
        self._number = wrapped(self._number + 1, PING_NUMBER_BITS)
        self._pings[self._number] = _Ping(way, now, self._egress.epoch, self._egress.counter, large)
        if len(self._pings) > MAX_UNANSWERED:
            del self._pings[next(iter(self._pings))]
        items = [self._ping_item(now)]
        if large:
            items.append(Item(ItemType.PADDING, bytes(PING_PADDING)))
        if way is self.way:
            self._egress.send(*items)
        else:
            self._probes.append(self._egress.counter)
            self._egress.probe(*items)

    def _ping_item(self, now: float) -> Item:
        return Item(ItemType.PING, PingItem(self._number, clock_us(now)).pack())

    def _pong(self, pong: PongItem, way: Way, now: float, waited: float | None) -> None:
        ping = self._pings.get(pong.number)
        if ping is None or ping.way is not way or pong.time != clock_us(ping.sent_at):
            return
        self._pings = {
            number: other
            for number, other in self._pings.items()
            if other.way is not way or other.sent_at > ping.sent_at
        }
        if way is Way.STREAM and self.way is Way.UDP and self.state is PathState.UNKNOWN:
            self._give_way(now)  # UDP was asked before, and has not answered
            self._proof.prove(now)
        elif way is self.way:
            self._large.answered(ping.large)
            self._measure(ping, pong, now, waited)
            self._proof.prove(now)
        elif way is Way.UDP and (self._probation.answered(now) or self.state is not PathState.OK):
            self._take(Way.UDP, now)
            self._proof.prove(now)
            if token := self._probation.end(now):
                self._egress.send(Item(ItemType.PATH_RESPONSE, token))

    def _measure(self, ping: _Ping, pong: PongItem, now: float, waited: float | None) -> None:
        if waited is not None or self.statistics.rtt is None:
            rtt = max(0.0, now - (waited or 0.0) - ping.sent_at)
            self.statistics.measured(rtt, pong.received_at - clock_us(ping.sent_at + rtt / 2))
        epoch, highest, received = self._covered
        sent = pong.highest - highest
        arrived = wrapped(pong.received - received)
        if epoch == self._egress.epoch and 0 <= arrived <= sent:
            sent -= sum(highest < counter <= pong.highest for counter in self._probes)
            self.statistics.up_counted(sent, max(0, sent - arrived), now)
        self.statistics.ping_arrived(
            pong.time, pong.received_at, ping.epoch == self._egress.epoch and pong.highest > ping.counter
        )
        self._covered = (self._egress.epoch, pong.highest, pong.received)

    def _take(self, way: Way, now: float) -> None:
        """Send by another way from now on, and ping it at once."""
        self.way = way
        self._proof = Proof(self._patience if way is Way.UDP else PATIENT, now)
        self._large = LargeProof()
        self.statistics.rtt = None
