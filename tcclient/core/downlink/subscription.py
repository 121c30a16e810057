"""What is asked of the server: what the program wishes, less what the line cannot bear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple

from tcclient.core.control import Line as ControlLine
from tcclient.core.downlink.arrivals import Arrivals, Layer
from tcclient.core.downlink.bandwidth import BandwidthProbes
from tcclient.core.downlink.ladder import LOOK_INTERVAL, QUEUE, Ladder, Offer, Part
from tcclient.core.downlink.urgent import UrgentSubscription
from tcclient.core.membership.roster import RoomState
from tcclient.core.timers import NEVER
from tcproto.datagram import Item
from tcproto.errors import Refusal
from tcproto.messages import Kind, PublicationInfo, Source, StreamChoice, Subscribe
from tcproto.messages.types import MAX_CHOICES

SOUND = (Source.MICROPHONE, Source.SCREEN_AUDIO)
"""Sources whose packets have copies in the redundant variant."""
TALKING = 1.0
"""Seconds since the last packet of somebody who talks."""
USUAL_VOICE = 54_000
"""Bit/s of speech with 24 kbit/s in packets of 20 ms, with all headers, until it is measured."""
COPIED_VOICE = 85_000
"""The same with a copy of each packet."""
USUAL_PICTURES = 300_000, 700_000, 1_500_000
"""Bit/s of pictures of one layer, or of each, until they are measured."""
LOWER = 0.3
"""What a layer takes of the next higher one, which is measured: it has half the width and height."""


class Wishes(NamedTuple):
    """What the program wants."""

    sources: tuple[Source, ...] = ()
    """Of everybody."""
    choices: tuple[StreamChoice, ...] = ()
    voices: int = 0
    """At a time, at most; 0: all."""
    stage: frozenset[int] = frozenset()
    """Participants whose pictures matter most; empty: those of the dominant speaker."""
    max_height: int = 0
    """Lines of pictures in several layers, at most; 0: any."""
    audio_only: bool = False
    """Whether no pictures are wanted, whatever the rest says."""


class Subscription:
    """Asks the server for what is wished, and for less while the line is too thin.

    ``dominant`` returns the dominant speaker, ``is_redundant`` whether copies are wanted. ``refine`` chooses one of
    several layers. ``changed`` is called before something else is asked for, ``congested`` while datagrams wait on the
    line. ``send`` sends an item by UDP, if that is in use.
    """

    def __init__(
        self,
        room: RoomState,
        control: ControlLine,
        dominant: Callable[[], int],
        is_redundant: Callable[[], bool],
        refine: Callable[[Subscribe], Subscribe],
        changed: Callable[[Subscribe], None],
        congested: Callable[[], None],
        send: Callable[[Item], None],
    ) -> None:
        self.wishes = Wishes()
        self._chosen: dict[int, StreamChoice] = {}
        """The choices of the wishes, by stream."""
        self.asked = Subscribe(0, ())
        """What was asked for last."""
        self.arrivals = Arrivals()
        self.probes = BandwidthProbes()
        self.ladder = Ladder()
        self._room = room
        self._control = control
        self._dominant = dominant
        self._is_redundant = is_redundant
        self._refine = refine
        self._changed = changed
        self._congested = congested
        self._send = send
        self.urgent = UrgentSubscription(send)
        self._bitrates: dict[Layer, float] = {}
        """Of pictures, those that are given up included, bit/s."""
        self._offered = Offer((), 0, ())
        self._looked_at = 0.0
        self._owes = False
        """Whether something else is to be asked for than was."""

    @property
    def next_deadline(self) -> float:
        """When ``handle_timeout`` is due; never while nothing comes and nothing is given up."""
        busy = self._owes or self.ladder.is_limiting or self.arrivals.latest > self._looked_at
        return self._looked_at + LOOK_INTERVAL if busy else NEVER

    def wish(self, wishes: Wishes) -> int:
        """Ask for other things; return the request id."""
        self.wishes = wishes
        self._chosen = {choice.stream: choice for choice in wishes.choices}
        return self._ask()

    def again(self) -> bool:
        """Ask for the same, in the variant that is wanted now; return False where too much is unanswered."""
        try:
            return not self.asked.generation or bool(self._ask())
        except Refusal:  # the connection is what has to be repaired
            return False

    def handle_timeout(self, now: float) -> None:
        """Look at the line, and ask for less or for more."""
        self._looked_at = now
        if self.ladder.given_up:
            before = self._offered
            self._owes |= self.ladder.follow(self._offer(now), before)
        line = self.arrivals.line(now)._replace(proven=self.probes.rate(now))
        if line.queue >= QUEUE:
            self._congested()
        self._owes |= self.ladder.look(line, lambda: self._offer(now), now)
        if self._owes:
            self._owes = not self.again()
        if self.ladder.wants_proof(now) and (item := self.probes.request(self.ladder.capacity, now)) is not None:
            self._send(item)

    def given_up(self, info: PublicationInfo) -> int | None:
        """Return the lowest layer of a publication that is given up; None: none of them."""
        return next((layer for layer in range(info.layers) if (info.stream, layer) in self.ladder.given_up), None)

    def wanted(self, info: PublicationInfo) -> StreamChoice | None:
        """Return how the program wants a publication of somebody else; None: not at all."""
        if self.wishes.audio_only and info.kind is Kind.VIDEO:
            return None
        choice = self._chosen.get(info.stream)
        if choice is not None:
            return choice if choice.wanted else None
        return StreamChoice(info.stream) if info.source in self.wishes.sources else None

    def _ask(self) -> int:
        sources, choices = self._affordable()
        copies_fit = not self.ladder.is_limiting or self.ladder.capacity >= COPIED_VOICE
        redundant = SOUND if self._is_redundant() and copies_fit else ()
        limits = [limit for limit in (self.wishes.voices, self.ladder.voices) if limit]
        wanted = Subscribe(self.asked.generation + 1, sources, choices, redundant, min(limits, default=0))
        self.asked = self._refine(wanted)
        self._changed(self.asked)
        request_id = self._control.request(self.asked)
        self.urgent.ask(self.asked, request_id)
        return request_id

    def _affordable(self) -> tuple[tuple[Source, ...], tuple[StreamChoice, ...]]:
        """Return sources and choices of the wishes, without the pictures that are given up.

        A source of which all is given up is left out itself, so that a new stream of it does not come first.
        """
        if self.wishes.audio_only:
            pictures = {info.stream for info in self._room.publications.values() if info.kind is Kind.VIDEO}
            choices = tuple(choice for choice in self.wishes.choices if choice.stream not in pictures)
            return tuple(source for source in self.wishes.sources if source in SOUND), choices
        if not self.ladder.given_up:
            return self.wishes.sources, self.wishes.choices
        chosen = dict(self._chosen)
        kept: set[Source] = set()
        lost: set[Source] = set()
        for info, choice in self._wanted(Kind.VIDEO):
            layer = self.given_up(info)
            if layer is None:
                kept.add(info.source)
            elif layer:
                kept.add(info.source)
                chosen[info.stream] = replace(choice, max_spatial=min(choice.max_spatial, layer - 1))
            else:
                lost.add(info.source)
                chosen[info.stream] = StreamChoice(info.stream, wanted=False)
        sources = tuple(source for source in self.wishes.sources if source in kept or source not in lost)
        return sources, tuple(chosen.values())[-MAX_CHOICES:]

    def _offer(self, now: float) -> Offer:
        bitrates = self.arrivals.bitrates(now)
        heard = self.arrivals.heard_since(now - TALKING)
        talkers = [info.stream for info, _ in self._wanted(Kind.AUDIO) if not info.muted]
        least = COPIED_VOICE if self._is_redundant() else 0  # copies that were not sent yet are not measured
        voices = tuple(max(bitrates.get((stream, 0), USUAL_VOICE), least) for stream in talkers if stream in heard)
        parts = [
            (self._importance(info), layer[1], layer[0], Part(layer, more))
            for info, choice in self._wanted(Kind.VIDEO)
            for layer, more in self._layers(info, choice, bitrates)
        ]
        self._bitrates = {each.layer: self._bitrates[each.layer] for *_, each in parts}
        self._offered = Offer(voices, len(talkers), tuple(each for *_, each in sorted(parts, key=itemgetter(0, 1, 2))))
        return self._offered

    def _layers(
        self, info: PublicationInfo, choice: StreamChoice, bitrates: dict[Layer, float]
    ) -> Iterator[tuple[Layer, float]]:
        """Yield each layer, and what it takes more of the line than the one below it, whose place it takes."""
        layers = [(info.stream, layer) for layer in range(min(info.layers, choice.max_spatial + 1))]
        highest = max((layer for layer in layers if layer in bitrates), default=(info.stream, -1))
        below = 0.0
        for layer in layers:
            takes = below
            is_given_up = layer in self.ladder.given_up  # what still comes of it is the end of it
            if layer in bitrates and not is_given_up:
                takes = bitrates[layer]
            elif layer < highest and not is_given_up:
                takes = self._bitrates.get(layer) or bitrates[highest] * LOWER ** (highest[1] - layer[1])
            elif is_given_up:
                takes = self._bitrates.get(layer) or USUAL_PICTURES[min(layer[1], len(USUAL_PICTURES) - 1)]
            self._bitrates[layer] = takes
            yield layer, max(0.0, takes - below)
            below = max(below, takes)

    def _importance(self, info: PublicationInfo) -> int:
        """Return how early pictures are given up: the stage, screens, everybody else."""
        if info.source is Source.SCREEN:
            return 1
        return 0 if info.participant in (self.wishes.stage or (self._dominant(),)) else 2

    def _wanted(self, kind: Kind) -> Iterator[tuple[PublicationInfo, StreamChoice]]:
        """Yield what the program wants of others."""
        for info in self._room.publications.values():
            if info.kind is kind and info.participant != self._room.own and (choice := self.wanted(info)) is not None:
                yield info, choice
