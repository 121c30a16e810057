"""Seats: the participants as the media plane knows them; and tickets for those who have no seat yet."""

from __future__ import annotations

from tcproto.datagram import (
    EPOCH_BITS,
    HEADER_SIZE,
    KEY_LIFETIME,
    KEY_OVERLAP,
    MAX_COUNTER,
    MAX_UP_ITEMS,
    MIN_DATAGRAM,
    NONCE_PADDING,
    REKEY_COUNTER,
    Item,
    ItemType,
    Kind,
    pack_header,
    pack_items,
    parse_items,
    seal,
)
from tcproto.errors import CryptoFailure
from tcproto.messages import Caps
from tcproto.path import MAX_PROBE, PingItem, PongItem, parse_ping
from tcproto.replay import SESSION_WINDOW, ReplayWindow, Verdict
from tcproto.secretbox import unbox
from tcproto.serial import clock_us, wrapped
from tcproto.transit import TransitClock
from tcserver.media.forwarding.arrivals import ArrivalLog
from tcserver.media.forwarding.cap import RateCap
from tcserver.media.forwarding.drops import Counters, Drop, Dropped
from tcserver.media.forwarding.keyframes import KEYFRAME_ASKS
from tcserver.media.forwarding.path import Path
from tcserver.media.forwarding.receivers import ReceiverSet
from tcserver.media.forwarding.redundancy import ReportedLoss
from tcserver.media.forwarding.repeats import ASKED, Repeats
from tcserver.media.forwarding.stream import MediaStream
from tcserver.media.interface import Address

SEAT_CAPS = Caps(bitrate=256_000, packets_per_second=100 + ASKED.packets_per_second)
"""What a seat may send besides all that it publishes: pings, path responses, requests, and the last packets of a stream
that ends. Who loses a fifth of four cameras and three voices asks 110 times a second, each in a datagram of its own."""
ANSWERED_PINGS = Caps(bitrate=0, packets_per_second=10)
"""Pings of a seat that are answered, those of one second at once. A client that proves its path sends five in two
seconds; one that missed the position of a sealer sends five in one."""
BANDWIDTH_PROBES = Caps(bitrate=100_000, packets_per_second=2 * MAX_PROBE)
"""What a seat is sent of bandwidth probes: some hundredths of a line on which it would ask for them."""
URGENT = Caps(bitrate=100_000, packets_per_second=50)
"""Urgent messages that are taken of a seat, and as many that it is sent: a receipt for each of 50 members that change
their key at a time. Nobody else decides how much comes down to a seat, and other members can cause these."""
MAX_GAP = SESSION_WINDOW
"""The largest gap between the counters of two datagrams that counts as loss. In a larger one the client has skipped
counters, or nothing came for very long: one datagram must not change a metric by millions."""
NO_GAP = range(0)
TICKET_WINDOW = 64
"""Size of the replay window of a ticket, which is good for few datagrams."""
PADDED_PONG = MIN_DATAGRAM + 3 + 20 + 1
"""Bytes of a datagram with a pong and an empty padding: the items have heads of 3 and 1 bytes, and a pong has 20."""
_NEW = Verdict.NEW
_REPLAY_DROPS = {Verdict.DUPLICATE: Drop.DUPLICATE, Verdict.OLD: Drop.OLD, Verdict.AHEAD: Drop.OLD}


class UpKey:
    """A key for datagrams that come in, and the counts of those."""

    __slots__ = ("_flushed", "_key", "_skipped", "epoch", "gap", "received", "reordered", "window")

    def __init__(self, epoch: int, key: bytes, window: int = SESSION_WINDOW) -> None:
        self.epoch = wrapped(epoch, EPOCH_BITS)
        self._key = key
        self.window = ReplayWindow(window)
        self.received = 0
        """Datagrams that opened."""
        self.reordered = 0
        """Datagrams that opened, and that a later one had overtaken."""
        self.gap = NO_GAP
        """Counters that are missing before the newest datagram, until ``take_gap``."""
        self._flushed = (0, 0, 0)
        self._skipped = 0
        """Counters that were not used, as far as can be told."""

    @property
    def sent(self) -> int:
        """Datagrams that were sent under the key, as far as those that arrived show."""
        return self.window.highest + 1 - self._skipped

    def open(self, data: bytes, counter: int) -> bytes:
        """Return the plaintext of a datagram; raises ``Dropped``.

        The replay check comes before the box is opened, which costs more. The window moves only after that.
        """
        window = self.window
        if not window.highest < counter <= window.ceiling:
            verdict = window.check(counter)
            if verdict is not _NEW:
                raise Dropped(_REPLAY_DROPS[verdict])
        try:
            plaintext = unbox(data[HEADER_SIZE:], data[:HEADER_SIZE] + NONCE_PADDING, self._key)
        except CryptoFailure:
            raise Dropped(Drop.BOX) from None
        ahead = counter - window.highest
        if ahead != 1:
            self._note_gap(counter, ahead)
        window.commit(counter)
        self.received += 1
        return plaintext

    def _note_gap(self, counter: int, ahead: int) -> None:
        if ahead < 0:
            self.reordered += 1
        elif ahead > MAX_GAP:
            self._skipped += ahead - 1
        else:
            self.gap = range(counter - ahead + 1, counter)

    def take_gap(self) -> range:
        """Return the counters between the two newest datagrams, once."""
        gap, self.gap = self.gap, NO_GAP
        return gap

    def flush_counters(self, counters: Counters) -> None:
        """Add what was sent and what arrived since the last call to the totals."""
        sent, received = self.sent, self.received
        counters.uplink_sent += sent - self._flushed[0]
        counters.uplink_received += received - self._flushed[1]
        counters.uplink_reordered += self.reordered - self._flushed[2]
        self._flushed = sent, received, self.reordered

    def pong(self, ping: PingItem, now: float) -> PongItem:
        """Return the answer to a ping that came under this key."""
        return PongItem(ping.number, ping.time, clock_us(now), self.window.highest, wrapped(self.received))


class DownKey:
    """A key for datagrams to one client."""

    __slots__ = ("_epoch", "_ident", "_key", "counter")

    def __init__(self, ident: int, epoch: int, key: bytes) -> None:
        self._ident = ident
        self._epoch = epoch
        self._key = key
        self.counter = 0
        """Counter of the next datagram."""

    def seal(self, items: list[Item]) -> bytes:
        """Return a down datagram; raises ``Dropped`` where the counter would wrap."""
        if self.counter > MAX_COUNTER:
            raise Dropped(Drop.COUNTER_SPENT)
        header = pack_header(Kind.DOWN, self._epoch, self._ident, self.counter)
        self.counter += 1
        return seal(header, pack_items(items), self._key)


class MediaSeat:
    """A seat: its media id, keys, path and streams."""

    __slots__ = (
        "_alone",
        "_asks",
        "_born",
        "_offered",
        "_pings",
        "_previous",
        "_previous_until",
        "_probes",
        "_reported",
        "_urgent",
        "account",
        "arrivals",
        "cap",
        "clock",
        "down",
        "has_left",
        "loss",
        "media_id",
        "opened_at",
        "participant",
        "path",
        "repeats",
        "room",
        "streams",
        "up",
    )

    def __init__(
        self,
        media_id: int,
        participant: int,
        account: int,
        room: int,
        epoch: int,
        up_key: bytes,
        down_key: bytes,
        now: float,
    ) -> None:
        self.media_id = media_id
        self.account = account
        self.participant = participant
        self.opened_at = now
        self.room = room
        """Number of its room."""
        self.path = Path()
        self.clock = TransitClock()
        """The clock of the client, as its pings show."""
        self.streams: dict[int, MediaStream] = {}
        """What this seat publishes, by stream id."""
        self.up = UpKey(epoch, up_key)
        self.down = DownKey(media_id, epoch, down_key)
        self._offered: tuple[UpKey, DownKey] | None = None
        self._previous: UpKey | None = None
        self._previous_until = now
        self._born = now
        self._reported = False
        self.has_left = False
        """Whether its client has said that it has left."""
        self.loss: ReportedLoss | None = None
        """What it loses of what it is sent; None: it has never reported."""
        self.repeats: Repeats | None = None
        """What it was sent again; None: it has never asked for anything."""
        self.arrivals: ArrivalLog | None = None
        """When its datagrams arrived; None: it has never asked."""
        self._alone: ReceiverSet | None = None
        self._asks = RateCap(KEYFRAME_ASKS, now)
        self._pings = RateCap(ANSWERED_PINGS, now)
        self._probes = RateCap(BANDWIDTH_PROBES, now)
        self._urgent: dict[Kind, RateCap] = {}
        """The share of urgent messages in each direction, where there were any."""
        self.cap = RateCap(SEAT_CAPS, now)
        """Rate cap of all that comes from the proven address, before it is opened."""

    def alone(self, address: Address) -> ReceiverSet:
        """Return the seat as the only receiver; the same object each time, as long as the address is the same."""
        receivers = self._alone
        if receivers is None or receivers.addresses[0] != address:
            receivers = self._alone = ReceiverSet([(self.media_id, address)])
        return receivers

    def may_ask(self, now: float) -> bool:
        """Return whether a request for a keyframe of a stream that is not known here is passed on."""
        return self._asks.take(0, now)

    def ask_arrivals(self, interval: float, now: float) -> None:
        """Log arrivals from now on, and report them every ``interval`` seconds."""
        if self.arrivals is None:
            self.arrivals = ArrivalLog()
        self.arrivals.ask(interval, now)

    def may_ping(self, now: float) -> bool:
        """Return whether a ping is answered."""
        return self._pings.take(0, now)

    def may_probe(self, size: int, now: float) -> bool:
        """Return whether the seat is sent a datagram of so many bytes of a bandwidth probe."""
        return self._probes.take(size, now)

    def may_be_urgent(self, direction: Kind, size: int, now: float) -> bool:
        """Return whether an urgent message of so many bytes is passed on, from or to the seat."""
        share = self._urgent.get(direction)
        if share is None:
            share = self._urgent[direction] = RateCap(URGENT, now)
        return share.take(size, now)

    def follow_streams(self) -> None:
        """Set the cap of the seat to what all its streams together may bring."""
        caps = [SEAT_CAPS, *(stream.caps for stream in self.streams.values())]
        self.cap.change(Caps(sum(cap.bitrate for cap in caps), sum(cap.packets_per_second for cap in caps)))

    def rekey(self, epoch: int, up_key: bytes, down_key: bytes, now: float) -> None:
        """Take new keys, to use as soon as the client does: it gets them by TCP, which may stall while UDP works."""
        self._offered = UpKey(epoch, up_key), DownKey(self.media_id, epoch, down_key)

    def open_other(self, epoch: int, data: bytes, counter: int, now: float) -> tuple[UpKey, bytes]:
        """Return key and plaintext of a datagram that is not under ``up``; raises ``Dropped``.

        The first one under the new key makes that the current one. The key before it is accepted for ``KEY_OVERLAP``
        more.
        """
        if self._offered is not None and epoch == self._offered[0].epoch:
            up, down = self._offered
            plaintext = up.open(data, counter)
            self._offered, self._previous, self._previous_until = None, self.up, now + KEY_OVERLAP
            self.up, self.down = up, down
            self._born, self._reported = now, False
            return up, plaintext
        previous = self._previous
        if previous is None or epoch != previous.epoch or now >= self._previous_until:
            raise Dropped(Drop.EPOCH)
        return previous, previous.open(data, counter)

    def flush_counters(self, counters: Counters) -> None:
        """Add what was sent and what arrived under its keys since the last call to the totals."""
        self.up.flush_counters(counters)
        if self._previous is not None:
            self._previous.flush_counters(counters)

    def rekey_due(self, now: float) -> bool:
        """Return whether new keys are due; True only once for each pair of keys."""
        counters = max(self.up.window.highest, self.down.counter)
        if self._reported or (counters < REKEY_COUNTER and now - self._born < KEY_LIFETIME):
            return False
        self._reported = True
        return True


class Ticket:
    """Lets someone without a seat find out whether UDP works: a few pings are answered, for a short time."""

    __slots__ = ("_left", "down", "until", "up")

    def __init__(self, media_id: int, key: bytes, until: float, datagrams: int) -> None:
        # One key for both directions: the kind in the header tells the nonces apart.
        self.up = UpKey(0, key, TICKET_WINDOW)
        self.down = DownKey(media_id, 0, key)
        self.until = until
        self._left = datagrams

    def open(self, data: bytes, epoch: int, counter: int, now: float) -> bytes:
        """Return the plaintext of a probe; raises ``Dropped``."""
        if now >= self.until or self._left <= 0:
            raise Dropped(Drop.PROBE_SPENT)
        if epoch != self.up.epoch:
            raise Dropped(Drop.EPOCH)
        plaintext = self.up.open(data, counter)
        self._left -= 1
        return plaintext

    def answer(self, plaintext: bytes, most: int, now: float) -> bytes:
        """Return the answer to a probe, padded to ``most`` bytes, so that it measures the way back too.

        Raises ``Dropped``, also if the answer does not fit.
        """
        try:
            ping = next(
                parse_ping(item.value)
                for item in parse_items(plaintext, most=MAX_UP_ITEMS)
                if item.type == ItemType.PING
            )
        except (ValueError, StopIteration):
            raise Dropped(Drop.ITEMS) from None
        items = [Item(ItemType.PONG, self.up.pong(ping, now).pack())]
        if most >= PADDED_PONG:
            items.append(Item(ItemType.PADDING, bytes(most - PADDED_PONG)))
        answer = self.down.seal(items)
        if len(answer) > most:
            raise Dropped(Drop.PROBE_SHORT)
        return answer
