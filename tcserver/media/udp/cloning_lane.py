"""A UDP socket as a lane whose datagrams the kernel clones to the receivers: one system call for up to 256 of them."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import closing

from tcproto.datagram import MAX_DATAGRAM
from tcserver.media.bpf.maps import Placed
from tcserver.media.bpf.network import Refusal
from tcserver.media.bpf.program import CLONED, MAX_CLONES, MAX_ENTRIES, TRIGGER_PORT, UNSUITABLE, pack_entry
from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.interface import Address
from tcserver.media.udp.cloning import Cloning, address_bytes
from tcserver.media.udp.native import DONT_WAIT, load
from tcserver.media.udp.offload import can_send_trains
from tcserver.media.udp.sendmmsg import VectorLane
from tcserver.media.udp.sendto import PlainLane

MIN_RECEIVERS = 6
"""Receivers from which on a trigger costs less than a message to each."""
TEST_PATIENCE = 0.1
"""Seconds that a test waits for a datagram. The loopback device delivers at once or never."""
_SO_COOKIE = 57
_FAMILIES = {4: socket.AF_INET, 16: socket.AF_INET6}
"""Address families, by the bytes of an address."""
_AGAIN = os.strerror(errno.EAGAIN)


def make_cloning_lanes(
    cloning: Cloning, sockets: Sequence[socket.socket], on_full: Callable[[PlainLane], None]
) -> list[PlainLane]:
    """Return a lane for each socket, and begin to watch the network; raises ``OSError``."""
    sendmmsg, trains = load("sendmmsg"), can_send_trains()
    lanes = [CloningLane(sock, on_full, sendmmsg, trains, cloning) for sock in sockets]
    cloning.start([lane.failure for lane in lanes])
    return [*lanes]


class _NotCloned(Exception):
    """Nobody has got a clone of a trigger; says why."""


class _Part:
    """Receivers of one set that are served in the same way.

    ``before`` tells for each index of the set how many of the receivers in front of it belong here.
    """

    __slots__ = ("before", "placed", "receivers", "refusals", "trigger")

    def __init__(self, whole: LaneReceivers, members: Sequence[int]) -> None:
        count = len(whole.addresses)
        inside = set(members)
        self.before = [0]
        for index in range(2 * count):
            self.before.append(self.before[-1] + (index % count in inside))
        self.receivers = LaneReceivers(whole.lane, 0, tuple(whole.addresses[index] for index in members))
        self.placed: Placed | None = None
        """Their entries, if they get clones."""
        self.trigger = (0, 0)
        """Addresses of the messages that send the trigger: as one datagram, as a train."""
        self.refusals: tuple[Refusal, ...] = ()
        """Of each receiver that gets none: why."""


class _Ways:
    """The parts of a set, as they are in one version of the network."""

    __slots__ = ("parts", "version")

    def __init__(self, version: int, parts: Sequence[_Part]) -> None:
        self.version = version
        self.parts = parts


class CloningLane(VectorLane):
    """Has the program clone what goes to many, and sends the rest as ``VectorLane`` does.

    ``counts.cloned`` and ``counts.not_cloned`` tell how much that is.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_full: Callable[[PlainLane], None],
        sendmmsg: Callable[[int, int, int, int], int],
        trains: bool,
        cloning: Cloning,
    ) -> None:
        super().__init__(sock, on_full, sendmmsg, trains)
        self.pays_by_call = True
        self._cloning = cloning
        self._maps = cloning.fan_out.maps
        (self._cookie,) = struct.unpack("@Q", sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8))
        host, self._port = sock.getsockname()[:2]
        bound = address_bytes(host)
        self._bound = bound if any(bound) else b""
        self._vectors: list[object] = []
        """Keeps the memory of the messages alive."""
        self._triggers = {size: self._make_trigger(name) for size, name in self._trigger_hosts().items()}
        """Addresses of the messages that send a trigger (as one datagram, as a train), by the bytes of an address."""

    def send(self, payload: bytes, size: int, receivers: LaneReceivers, start: int, stop: int) -> None:
        """Send a payload now, or behind those that wait; as ``Lane.send``."""
        if len(receivers.addresses) < MIN_RECEIVERS:
            # Most of these are one receiver and one answer: to look at them would cost more than it saves.
            self._count_refused((Refusal.NUMBER,), start, stop, _segments(payload, size))
            super().send(payload, size, receivers, start, stop)
            return
        ways = receivers.prepared
        if ways is None or (type(ways) is _Ways and ways.version != self._cloning.version):
            ways = self._find_ways(receivers)
        if type(ways) is not _Ways:
            super().send(payload, size, receivers, start, stop)  # a train that was taken apart for one of a part
            return
        for part in ways.parts:
            first, end = part.before[start], part.before[stop]
            if first == end:
                continue
            refusals = part.refusals
            if part.placed is not None:
                if self._full or size > MAX_DATAGRAM or end - first < MIN_RECEIVERS:
                    refusals = (self._refusal(size),)
                else:
                    first = self._clone(part, part.placed, payload, size, first, end)
                    if first == end:
                        continue
                    refusals = (Refusal.QUEUE if self._full else Refusal.SUSPENDED,)
            self._count_refused(refusals, first, end, _segments(payload, size))
            super().send(payload, size, part.receivers, first, end)

    def failure(self) -> str:
        """Test the program with this socket, and receivers of the own; return what is wrong, empty: nothing."""
        tested = False
        for size, loopback in ((4, "127.0.0.1"), (16, "::1")):
            if size in self._triggers:
                host = socket.inet_ntop(_FAMILIES[size], self._bound) if self._bound else loopback
                try:
                    failure = self._failure_at(size, host)
                except OSError:
                    continue  # this machine does not have that family
                if failure:
                    return f"{failure} ({host})"
                tested = True
        return "" if tested else "no address of this machine could be used for a test"

    def _failure_at(self, size: int, host: str) -> str:
        """Return what is wrong with clones to an address of this machine; raises ``OSError`` if there is none."""
        family = _FAMILIES[size]
        local = socket.inet_pton(family, host)
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as receiver:
            receiver.bind((host, 0))
            receiver.settimeout(TEST_PATIENCE)
            port = receiver.getsockname()[1]
            placed = Placed(pack_entry(0, local, self._port, local, port, b""))
            payload = os.urandom(250)
            for length in (len(payload), 100)[: 1 + self.trains]:
                self._load(payload, length)
                try:
                    self._trigger(self._triggers[size][length < len(payload)], placed, 0, 1)
                except _NotCloned as failure:
                    return str(failure)
                for at in range(0, len(payload), length):
                    try:
                        arrived, source = receiver.recvfrom(len(payload))
                    except TimeoutError:
                        return "a clone did not arrive"
                    if arrived != payload[at : at + length] or source[:2] != (host, self._port):
                        return "a clone was not as it should be"
        return ""

    def _refusal(self, size: int) -> Refusal:
        """Return why receivers with entries get no clones of a datagram of this size."""
        if self._full:
            return Refusal.WAITING
        return Refusal.SIZE if size > MAX_DATAGRAM else Refusal.NUMBER

    def _clone(self, part: _Part, placed: Placed, payload: bytes, size: int, first: int, end: int) -> int:
        """Have clones made for the receivers from ``first`` to before ``end``; return where that ended."""
        if self.marking is not None:
            self.marking.mark(size)
        if payload is not self._loaded:
            self._load(payload, size)
        segments = 1 if size >= len(payload) else _segments(payload, size)
        counts = self.counts
        while first < end:
            number = min(end - first, MAX_CLONES // segments or 1)
            try:
                cloned, answer = self._trigger(part.trigger[segments > 1], placed, first, number)
            except _NotCloned as failure:
                if str(failure) != _AGAIN:
                    self._cloning.fail(str(failure))
                break
            counts.sent += cloned * segments
            counts.cloned += cloned * segments
            first += cloned
            if answer or cloned < number:
                self._full = True  # so that the rest waits
                self._cloning.wait_for_room(answer, lambda: self._on_full(self))
                break
        return first

    def _trigger(self, message: int, placed: Placed, first: int, count: int) -> tuple[int, int]:
        """Send what is loaded as a trigger; return the clones that were made, and the answer to the last.

        Raises ``_NotCloned``.
        """
        maps = self._maps
        maps.arm(self._cookie, maps.put(placed), first, placed.count, count)
        if self._sendmmsg(self._socket.fileno(), message, 1, DONT_WAIT) != 1:
            error = ctypes.get_errno()
            maps.disarm()
            raise _NotCloned(os.strerror(error))
        cloned, answer, outcome = maps.written()
        if outcome == CLONED:
            return cloned, answer
        maps.disarm()
        if outcome == UNSUITABLE:
            raise _NotCloned("the loopback device computes no checksums (ethtool -K lo tx on)")
        raise _NotCloned("the program is not at the loopback device any more")

    def _find_ways(self, receivers: LaneReceivers) -> _Ways:
        """Sort receivers by how they are served."""
        entries: dict[int, dict[int, bytes]] = {size: {} for size in self._triggers}
        refused: dict[int, Refusal] = {}
        for index, address in enumerate(receivers.addresses):
            family = entries.get(len(address_bytes(address.host)))
            if family is None:
                refused[index] = Refusal.ADDRESS
                continue
            entry = self._cloning.entry(address, self._bound, self._port)
            if isinstance(entry, Refusal):
                refused[index] = entry
            else:
                family[index] = entry
        parts = []
        for size, found in entries.items():
            if MIN_RECEIVERS <= len(found) <= MAX_ENTRIES:
                part = _Part(receivers, list(found))
                part.placed = Placed(b"".join(found.values()))
                part.trigger = self._triggers[size]
                parts.append(part)
            else:
                refused |= dict.fromkeys(found, Refusal.NUMBER)
        if refused:
            members = sorted(refused)
            part = _Part(receivers, members)
            reasons = set(refused.values())
            part.refusals = tuple(reasons) if len(reasons) == 1 else tuple(refused[index] for index in members)
            parts.append(part)
        ways = receivers.prepared = _Ways(self._cloning.version, parts)
        return ways

    def _count_refused(self, refusals: Sequence[Refusal], first: int, end: int, segments: int) -> None:
        """Count what the receivers from ``first`` to before ``end`` get in another way; ``refusals`` go round."""
        not_cloned = self.counts.not_cloned
        if len(refusals) == 1:
            not_cloned[refusals[0]] += (end - first) * segments
            return
        for index in range(first, end):
            not_cloned[refusals[index % len(refusals)]] += segments

    def _make_trigger(self, host: str) -> tuple[int, int]:
        vector = self._prepare(LaneReceivers(0, 0, (Address(0, host, TRIGGER_PORT),)))
        self._vectors.append(vector)
        return vector.plain, vector.trains

    def _trigger_hosts(self) -> dict[int, str]:
        """Return where triggers go, by the bytes of an address of their family."""
        host = self._cloning.fan_out.host
        if self._socket.family == socket.AF_INET:
            return {4: host}
        hosts = {4: f"::ffff:{host}", 16: "::1"}
        if self._bound:
            hosts = {size: name for size, name in hosts.items() if size == len(self._bound)}
        if self._socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            hosts.pop(4, None)
        return hosts


def _segments(payload: bytes, size: int) -> int:
    """Return the datagrams of a payload."""
    return -(-len(payload) // size) if size < len(payload) else 1
