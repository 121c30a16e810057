"""Whether the kernel makes the copies of datagrams at present, and to whom: what the lanes of a process share."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence

from tcserver.media.bpf.fan_out import FanOut
from tcserver.media.bpf.netlink import Route
from tcserver.media.bpf.network import Change, Refusal
from tcserver.media.bpf.program import TRIGGER_PORT, pack_entry
from tcserver.media.bpf.watch import Watch
from tcserver.media.interface import Address

MAX_ROUTES = 8192
"""Routes that are remembered; when there are more, all are forgotten and asked for again."""
SETTLE = 0.2
"""Seconds from a change of the network to the next test."""
TEST_INTERVAL = 30.0
"""Seconds between tests while nothing changes."""
QUEUE_INTERVAL = 1.0
"""Seconds between looks at the queues of the devices."""
QUEUE_PAUSE = 10.0
"""Seconds without clones after a queue has dropped packets: the other calls wait for room."""
ROOM_PAUSE = 0.005
"""Seconds until a queue that was full has room again: 1,000 packets of audio take 2 ms at 1 Gbit/s."""
LOG_INTERVAL = 10.0
"""Seconds between two log lines about changes of the network."""
_MAPPED = bytes(10) + b"\xff\xff"
"""First bytes of an IPv4 address that is mapped into IPv6."""
_log = logging.getLogger(__name__)


class Cloning:
    """Knows the program and the network around.

    Clones are made after all tests have passed, until something in the network changes or a trigger fails. Then the
    tests are repeated, and until they have passed no clones are made.
    """

    def __init__(self, fan_out: FanOut, loop: asyncio.AbstractEventLoop) -> None:
        """Take a program that is open; raises ``OSError``."""
        self.fan_out = fan_out
        self.active = False
        self.version = 0
        """Grows whenever receivers may have to be served in another way."""
        self._loop = loop
        self._watch = Watch()
        self._routes: dict[Address, Route | None] = {}
        self._tests: Sequence[Callable[[], str]] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._queue_timer: asyncio.TimerHandle | None = None
        self._room_timer: asyncio.TimerHandle | None = None
        self.dropped = 0
        """Packets that devices of this machine had no room for since the start."""
        self._looked = 0
        """What all had dropped at the last look."""
        self._logged_at: dict[int, float] = {}
        """When a line of each level was last logged."""
        self.failure = ""
        """What the last test found; empty: all was well."""

    def start(self, tests: Sequence[Callable[[], str]]) -> None:
        """Watch the network from now on. Each of ``tests`` returns what is wrong; empty: nothing."""
        self._tests = tests
        self._loop.add_reader(self._watch.fileno(), self._look)
        self._looked = self._watch.dropped()
        self._queue_timer = self._loop.call_later(QUEUE_INTERVAL, self._look_at_queues)
        self._test()

    def close(self) -> None:
        """Make no clones any more, and let nothing that waits go on; may be called again."""
        self._stop()
        if self._room_timer is not None:
            self._room_timer.cancel()

    def _stop(self) -> None:
        for timer in (self._timer, self._queue_timer):
            if timer is not None:
                timer.cancel()
        if self._watch.fileno() >= 0:
            self._loop.remove_reader(self._watch.fileno())
        self._watch.close()
        self.active = False
        self.version += 1

    def entry(self, address: Address, bound: bytes, port: int) -> bytes | Refusal:
        """Return the entry of a receiver of a socket that is bound to this address (empty: any) and port."""
        if not self.active:
            return Refusal.SUSPENDED
        destination = address_bytes(address.host)
        if not destination or address.port in (0, TRIGGER_PORT):
            return Refusal.ADDRESS
        route = self._route(address, destination, bound, port)
        if route is None:
            return Refusal.ROUTE
        hop = self._watch.network.judge(route, destination)
        if isinstance(hop, Refusal):
            return hop
        return pack_entry(hop.device, route.source, port, destination, address.port, hop.frame)

    def fail(self, reason: str) -> None:
        """Make no clones until the next test: a trigger was not cloned, for this reason."""
        self._pause(reason, TEST_INTERVAL)

    def wait_for_room(self, answer: int, go_on: Callable[[], None]) -> None:
        """Make no clones for a while, and ``go_on`` in another way when there may be room.

        ``answer`` is what the kernel said to a clone that it refused, or took in place of another.
        """
        reason = os.strerror(-answer) if answer < 0 else "the queue of a device is full"
        self._pause(f"the kernel refused a clone: {reason}", QUEUE_PAUSE)
        self._room_timer = self._loop.call_later(ROOM_PAUSE, go_on)

    def _route(self, address: Address, destination: bytes, bound: bytes, port: int) -> Route | None:
        if address in self._routes:
            return self._routes[address]
        route = self._watch.route(destination, address.port, bound, port)
        if route is not None and bound:
            route = route._replace(source=bound)
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[address] = route
        return route

    def _look(self) -> None:
        """Take changes of the network."""
        try:
            change = self._watch.take_changes()
        except OSError as error:
            self._give_up(error)
            return
        if change is Change.NETWORK:
            if self.active:
                self._tell(logging.INFO, "the network has changed: datagrams are sent one by one until a test")
            self._suspend()
            self._schedule(SETTLE)
        elif change is Change.NEIGHBOURS:
            self.version += 1

    def _look_at_queues(self) -> None:
        """Make no clones for a while after a queue was full. Clones never wait for room."""
        before = self._looked
        try:
            self._looked = self._watch.dropped()
        except OSError as error:
            self._give_up(error)
            return
        self._queue_timer = self._loop.call_later(QUEUE_INTERVAL, self._look_at_queues)
        dropped = max(0, self._looked - before)  # fewer where a device is gone
        self.dropped += dropped
        if dropped and self.active:
            self._pause(f"devices have dropped {dropped} packets", QUEUE_PAUSE)

    def _pause(self, reason: str, seconds: float) -> None:
        self._suspend()
        self._tell(logging.WARNING, f"datagrams are sent one by one: {reason}")
        self._schedule(seconds)

    def _give_up(self, error: OSError) -> None:
        _log.error("datagrams are sent one by one: changes of the network are not told any more: %s", error)
        self._stop()

    def _suspend(self) -> None:
        self.active = False
        self.version += 1
        self._routes.clear()

    def _schedule(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, self._test)

    def _test(self) -> None:
        """Test, and make clones again if all is well."""
        failure = next((failed for test in self._tests if (failed := test())), "")
        if failure != self.failure:
            if failure:
                _log.warning("the kernel makes no copies of datagrams, they are sent one by one: %s", failure)
            else:
                _log.info("the kernel makes the copies of datagrams again")
        self.failure = failure
        if self.active == bool(failure):
            self._suspend()
            self.active = not failure
        self._schedule(TEST_INTERVAL)

    def _tell(self, level: int, text: str) -> None:
        """Log a line, unless there was one of its level shortly before."""
        now = self._loop.time()
        if now >= self._logged_at.get(level, -LOG_INTERVAL) + LOG_INTERVAL:
            self._logged_at[level] = now
            _log.log(level, text)


def address_bytes(host: str) -> bytes:
    """Return the bytes of an address, those of IPv4 also where it is mapped into IPv6; empty: it has a scope."""
    if "%" in host:
        return b""
    if ":" not in host:
        return socket.inet_aton(host)
    packed = socket.inet_pton(socket.AF_INET6, host)
    return packed[12:] if packed.startswith(_MAPPED) else packed
