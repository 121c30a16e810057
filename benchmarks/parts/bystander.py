"""What a receiver on a bad line costs another on a good one: bytes and keyframes, in virtual time.

One talks and films, and two look and listen. The line of the second either loses nothing or a share of all datagrams.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.harness.report import Bar, Table
from tests.support.simulation.film import Camera, Viewer
from tests.support.simulation.network import LAN, Conditions
from tests.support.simulation.world import World

MAX_BYTES = 1.02
"""Bytes on the way down of the good line, of those where the other is good as well."""
MAX_KEYFRAMES = 2.0
"""Keyframes, of those where both lines are good."""
PICTURE, KEYFRAME = 1_500, 9_000
"""Bytes: about 300 kbit/s at 25 pictures in a second."""
KEYFRAME_EVERY = 10.0
"""Seconds, as the encoder of the client places them."""
SETTLE = 2.0
"""Seconds after the first picture, in which all begin."""


class Cost(NamedTuple):
    """What a receiver on a good line got."""

    kbit: float
    """kbit/s, with headers."""
    keyframes: int
    pictures: int
    repeated: int
    """Datagrams that the server sent again to the other."""


def hold(other: Conditions, seconds: float, seed: int) -> Cost:
    """Hold a meeting in which the line down of the other receiver is as given."""
    world = World(seed)
    talker = world.client("talker", LAN)
    clean, bad = (world.client(name, LAN, microphone=False) for name in ("clean", "other"))
    world.until(lambda: world.ready(talker, clean, bad))
    camera = Camera(world, talker, PICTURE, KEYFRAME_EVERY, key_size=KEYFRAME)
    viewer, _ = Viewer(world, clean, camera), Viewer(world, bad, camera)
    talker.talk()
    world.run(SETTLE)
    bad.down.conditions = other
    bytes_before, begin, shown = clean.down.bytes, world.now, len(viewer.shown)
    world.run(seconds)
    return Cost(
        (clean.down.bytes - bytes_before) * 8 / 1000 / seconds,
        sum(at >= begin for at in camera.keyframes),
        len(viewer.shown) - shown,
        world.server.plane.counters.repeated,
    )


def compare(other: Conditions, seconds: float, seed: int) -> tuple[Table, list[Bar]]:
    """Hold the meeting twice, and return what the bad line costs."""
    good, bad = hold(Conditions(delay=other.delay), seconds, seed), hold(other, seconds, seed)
    rows = [("nothing", *good), (f"{100 * other.loss:.0f} %", *bad)]
    title = "A receiver on a good line, where another loses datagrams"
    columns = ("the other loses", "kbit/s down", "keyframes", "pictures", "sent again to the other")
    bars = [
        Bar("bytes of a clean bystander, of those without loss", bad.kbit / good.kbit, "times", MAX_BYTES),
        Bar("keyframes, of those without loss", bad.keyframes / max(good.keyframes, 1), "times", MAX_KEYFRAMES),
    ]
    return Table(title, columns, rows), bars
