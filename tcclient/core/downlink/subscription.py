"""What is asked of the server: what the program wishes, less what the line cannot bear."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from tcclient.core.control import Line as ControlLine
from tcclient.core.downlink.arrivals import LEAST_SPAN, Arrivals, Layer
from tcclient.core.downlink.bandwidth import BandwidthProbes
from tcclient.core.downlink.cause import Cause
from tcclient.core.downlink.data_meter import Saving
from tcclient.core.downlink.ladder import EXPECTED, LOOK_INTERVAL, QUEUE, SUDDEN_QUEUE, Ladder, Offer, Part
from tcclient.core.downlink.urgent import UrgentSubscription
from tcclient.core.membership.roster import MAX_PUBLICATIONS, RoomState
from tcclient.core.timers import NEVER
from tcproto.datagram import Item
from tcproto.errors import Refusal
from tcproto.messages import Kind, PublicationInfo, Source, StreamChoice, StreamLimit, StreamStates, Subscribe
from tcproto.messages.types import MAX_CHOICES

SOUND = (Source.MICROPHONE, Source.SCREEN_AUDIO)
"""Sources whose packets have copies in the redundant variant."""
PICTURES = frozenset((Source.CAMERA, Source.SCREEN))
TALKING = 1.0
"""Seconds since the last packet of somebody who talks."""
USUAL_VOICE = 54_000
"""Bit/s of speech with 24 kbit/s in packets of 20 ms, with all headers, until it is measured."""
COPIED_VOICE = 85_000
"""The same with a copy of each packet."""
LOW_VOICE = 20_000
"""The same of the low rate: 8.4 kbit/s in packets of 60 ms."""
USUAL_LINES, USUAL_BITRATE, USUAL_GROWTH = 180, 130_000, 1.66
"""Bit/s of pictures of 180 lines until they are measured, with all headers; of twice the lines three times as much."""
PRIORITY = 128
"""The priority of pictures where the program gives none: the middle."""
UNKNOWN_LINES = 360
"""Lines of the largest layer where its publisher does not tell."""
OPENING = 5.0
"""Seconds after the first datagram in which pictures do not begin that the line cannot bear, as a probe has shown."""
OPENING_RATE = 250_000
"""Bit/s of the line for which this probe is made: one of 128 kbit/s holds it for 80 ms. More than a few Mbit/s it
cannot tell, and need not."""
OPENING_INTERVAL, OPENING_TRIES = 0.3, 4
"""Seconds until another one is sent, if that was lost, and how many; two have to be measured."""
WIDE = 3e6
"""Bit/s of a line on which new pictures come without being asked for: all that a probe can tell."""
STILLS = 12_000
"""Bit/s of still pictures, until they are measured."""
PER_PICTURE = 0.0002
"""Seconds for which an offer holds, for each layer of pictures in it: to work it out takes a tenth of that. A room of
thousands of cameras does not take all of the processor."""
AT_ONCE = 3
"""Voices for which there has to be room beside the pictures at the beginning; more seldom talk at the same time."""
FULL = 0.25
"""Seconds of a queue from which what is lost is what it had no room for. Then more is sent than comes."""
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
    max_frame_rate: float = 0.0
    """Pictures per second of each stream, at most, as far as it has temporal layers; 0: any."""
    priorities: Mapping[int, int] = MappingProxyType({})
    """Of pictures, by stream, 1 to 255. Those of a lower one are given up first; those of none have ``PRIORITY``."""
    audio_only: bool = False
    """Whether no pictures are wanted, whatever the rest says."""


class Subscription:
    """Asks the server for what is wished, and for less while the line is too thin.

    ``dominant`` returns the dominant speaker, ``is_redundant`` whether copies are wanted. ``refine`` chooses one of
    several layers. ``changed`` is called before something else is asked for, ``congested`` while datagrams wait on the
    line. ``send`` sends an item by UDP, if that is in use. ``loss`` returns the share that the line has lost of late.
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
        loss: Callable[[], float],
    ) -> None:
        self.wishes = Wishes()
        self._chosen: dict[int, StreamChoice] = {}
        """The choices of the wishes, by stream."""
        self.asked = Subscribe(0, ())
        """What was asked for last."""
        self.arrivals = Arrivals()
        self.probes = BandwidthProbes()
        self.ladder = Ladder()
        self.saving = Saving.NOTHING
        """What is given up to save data, whatever is wished."""
        self.not_selected: dict[int, None] = {}
        """Streams that the server does not forward to all who want their source, the oldest first."""
        self._room = room
        self._control = control
        self._dominant = dominant
        self._is_redundant = is_redundant
        self._refine = refine
        self._changed = changed
        self._congested = congested
        self._send = send
        self._loss = loss
        self.urgent = UrgentSubscription(send)
        self._bitrates: dict[Layer, float] = {}
        """Of pictures, those that are given up included, bit/s."""
        self._offered = Offer((), 0, ())
        self._offered_at = 0.0
        self._offered_for: tuple[frozenset[int], Wishes, Saving] | None = None
        self._offered_of: Mapping[tuple[int, int], PublicationInfo] = {}
        self._looked_at = 0.0
        self._counted, self._queue = 0, 0.0
        """Datagrams that had come by then, and the seconds that the last of them had waited on the line."""
        self._opens_until: float | None = None
        """Until when the line is tried at the beginning; None: nothing has come yet."""
        self._tries = OPENING_TRIES
        self._bears: float | None = None
        """Bit/s that the line bears at most, as it was found at the beginning; None: nobody knows."""
        self._begun: frozenset[Layer] = frozenset()
        """The pictures of which it is known whether they may begin."""
        self._owes = False
        """Whether something else is to be asked for than was."""

    @property
    def next_deadline(self) -> float:
        """When ``handle_timeout`` is due; never while nothing comes and nothing is given up."""
        opens = self._is_thin or (self._opens_until is not None and self._looked_at < self._opens_until)
        busy = self._owes or opens or self.ladder.is_limiting or self.arrivals.datagrams > self._counted
        if self._queue < SUDDEN_QUEUE <= self.arrivals.queue:
            return self._looked_at  # at once: a line that carries a quarter fills by 20 ms in each 10
        return self._looked_at + LOOK_INTERVAL if busy else NEVER

    @property
    def asks_for_media(self) -> bool:
        """Whether anything at all was asked for last."""
        return bool(self.asked.defaults) or any(choice.wanted for choice in self.asked.choices)

    @property
    def asks_for_pictures(self) -> bool:
        """Whether pictures were asked for last, or single streams, which may be pictures."""
        return bool(PICTURES.intersection(self.asked.defaults)) or any(choice.wanted for choice in self.asked.choices)

    def wish(self, wishes: Wishes) -> int:
        """Ask for other things; return the request id."""
        self.wishes = wishes
        self._chosen = {choice.stream: choice for choice in wishes.choices}
        return self._ask()

    def save(self, saving: Saving) -> None:
        """Give up so much to save data, from the next look on."""
        self._owes |= saving is not self.saving
        self.saving = saving

    def receive(self, message: StreamStates, now: float) -> None:
        """Take what the server says of streams. A state may come before its stream."""
        for state in message.streams:
            self.ended(state.stream)
            if state.limit is StreamLimit.NOT_SELECTED:
                self.not_selected[state.stream] = None
                if len(self.not_selected) > MAX_PUBLICATIONS:
                    del self.not_selected[next(iter(self.not_selected))]
        self._owes |= self._is_thin

    def ended(self, stream: int) -> None:
        """Forget what the server said of a stream: its id may be used again."""
        self.not_selected.pop(stream, None)

    def again(self) -> bool:
        """Ask for the same, in the variant that is wanted now; return False where too much is unanswered."""
        try:
            return not self.asked.generation or bool(self._ask())
        except Refusal:  # the connection is what has to be repaired
            return False

    def handle_timeout(self, now: float) -> None:
        """Look at the line, and ask for less or for more."""
        self._looked_at, self._counted, self._queue = now, self.arrivals.datagrams, self.arrivals.queue
        if self.ladder.given_up:
            before = self._offered
            self._owes |= self.ladder.follow(self._offer(now), before)
        is_open = self._opens_until is None or now < self._opens_until
        if is_open:
            self._open(now)
        if self._bears is not None and (is_open or self._is_thin):
            self._begin(self._bears, now)
        line = self.arrivals.line(now)._replace(proven=self.probes.rate(now), loss=self._loss())
        if line.queue >= QUEUE:
            self._congested()
        self._owes |= self.ladder.look(line, lambda: self._offer(now), now)
        if self._owes:
            self._owes = not self.again()
        if self.ladder.wants_proof(now) and (item := self.probes.request(self.ladder.capacity, now)) is not None:
            self._send(item)

    def _open(self, now: float) -> None:
        """Try the line before pictures come."""
        if self._opens_until is None:
            self._opens_until = now + OPENING
        if self.ladder.has_stepped:
            self._opens_until = now
        elif self._bears is None:
            self._bears = self.probes.bound(self.arrivals.line(now).jitter, now)
            self._owes |= self._is_thin
            if self._bears is not None:
                self._begin_voices(self._bears, now)
            elif self._tries:
                self._probe(now)

    def _begin_voices(self, bears: float, now: float) -> None:
        """Give up what the line will not bear of the voices that may be heard soon."""
        fitting = int(bears * EXPECTED / USUAL_VOICE)
        if fitting < AT_ONCE:
            self.ladder.begin_voices(max(fitting, 1), bears, now)
            self._owes = True

    def _probe(self, now: float) -> None:
        interval = 0.0 if self.probes.is_answered else OPENING_INTERVAL
        if (item := self.probes.request(OPENING_RATE, now, interval)) is not None:
            self._tries -= 1
            self._send(item)

    @property
    def _is_thin(self) -> bool:
        """Whether pictures may be too much for the line, so that each is asked for when it is known to fit."""
        return self._bears is not None and self._bears < WIDE

    def _begin(self, bears: float, now: float) -> None:
        """Give up what the line will not bear of pictures that are new."""
        pictures = frozenset(part.layer for part in self._offer(now).pictures)
        if not pictures <= self._begun:
            ladder, stage = self.ladder, self._stage()
            known = ladder.capacity if ladder.is_limiting else max(ladder.capacity, bears)
            rate = max(known, self.arrivals.line(now).usual / EXPECTED)  # what comes goes on
            self._owes |= self.ladder.begin(pictures, lambda: _expected(self._offer_anew(stage, now)), rate, now)
            self._owes |= self._is_thin
        self._begun = pictures

    def given_up(self, info: PublicationInfo) -> int | None:
        """Return the lowest layer of a publication that is given up; None: none of them."""
        return next((layer for layer in range(info.layers) if (info.stream, layer) in self.ladder.given_up), None)

    @property
    def has_room(self) -> bool:
        """Whether a voice is left out on a line that bears one with copies, so that there is room for repair."""
        return self.ladder.voices > 0 and self.ladder.capacity >= COPIED_VOICE

    @property
    def voices_cause(self) -> Cause | None:
        """Why not all voices are asked for; None: they are, or the program does not want more."""
        if self.saving is Saving.ALL:
            return Cause.DATA_CAP
        limit = self.ladder.voices
        return Cause.BANDWIDTH if limit and limit < (self.wishes.voices or limit + 1) else None

    def is_left_out(self, info: PublicationInfo) -> bool:
        """Return whether the server forwards others in the place of a publication that is wanted."""
        choice = self._chosen.get(info.stream)
        return info.stream in self.not_selected and (choice is None or choice.by_default)

    def wanted(self, info: PublicationInfo) -> StreamChoice | None:
        """Return how a publication of somebody else is wanted, but for the line; None: not at all."""
        return None if self.saving and info.kind is Kind.VIDEO else self.wished(info)

    def wished(self, info: PublicationInfo) -> StreamChoice | None:
        """Return how the program wants a publication of somebody else; None: not at all."""
        if self.wishes.audio_only and info.kind is Kind.VIDEO:
            return None
        choice = self._chosen.get(info.stream)
        if choice is not None:
            return choice if choice.wanted else None
        return StreamChoice(info.stream, by_default=True) if info.source in self.wishes.sources else None

    def _ask(self) -> int:
        sources, choices = self._affordable()
        saves_all = self.saving is Saving.ALL
        copies_fit = not self.ladder.is_limiting or self.ladder.capacity >= COPIED_VOICE
        redundant = SOUND if self._is_redundant() and copies_fit and not saves_all else ()
        if self.ladder.low_rate and Source.MICROPHONE in sources:
            sources = (*sources, Source.MICROPHONE_LOW)
        limits = [limit for limit in (self.wishes.voices, self.ladder.voices, int(saves_all)) if limit]
        wanted = Subscribe(self.asked.generation + 1, sources, choices, redundant, min(limits, default=0))
        self.asked = self._refine(wanted)
        self._changed(self.asked)
        request_id = self._control.request(self.asked)
        self.urgent.ask(self.asked, request_id)
        return request_id

    def _affordable(self) -> tuple[tuple[Source, ...], tuple[StreamChoice, ...]]:
        """Return sources and choices of the wishes, without the pictures that are given up.

        A source of which all is given up is left out itself, so that a new stream of it does not come first. On a thin
        line all pictures are chosen one by one.
        """
        if self.wishes.audio_only or self.saving:
            pictures = {info.stream for info in self._room.publications.values() if info.kind is Kind.VIDEO}
            choices = tuple(choice for choice in self.wishes.choices if choice.stream not in pictures)
            return tuple(source for source in self.wishes.sources if source in SOUND), choices
        if not self.ladder.given_up and not self._is_thin:
            return self.wishes.sources, self.wishes.choices
        chosen = dict(self._chosen)
        kept: set[Source] = set()
        lost: set[Source] = set()
        is_thin = self._is_thin
        for info, choice in self._wanted(Kind.VIDEO):
            layer = self.given_up(info)
            if layer == 0:
                lost.add(info.source)
                chosen[info.stream] = StreamChoice(info.stream, wanted=False)
                continue
            kept.add(info.source)
            if layer is not None:
                choice = replace(choice, max_spatial=min(choice.max_spatial, layer - 1))
            if layer is not None or is_thin:
                chosen[info.stream] = replace(choice, by_default=choice.by_default and not is_thin)
        if is_thin:
            kept, lost = set(), set(PICTURES)
        sources = tuple(source for source in self.wishes.sources if source in kept or source not in lost)
        return sources, tuple(chosen.values())[-MAX_CHOICES:]

    def _offer(self, now: float) -> Offer:
        """Return what there is to receive; that of a moment ago where there is so much that it takes long."""
        stage = self._stage()
        key = stage, self.wishes, self.saving
        publications = self._room.publications
        is_recent = now < self._offered_at + PER_PICTURE * len(self._offered.pictures)
        if not is_recent or key != self._offered_for or publications is not self._offered_of:
            self._offered = self._offer_anew(stage, now)
            self._offered_at, self._offered_for, self._offered_of = now, key, publications
        return self._offered

    def _stage(self) -> frozenset[int]:
        return self.wishes.stage or frozenset((self._dominant(),))

    def _offer_anew(self, stage: frozenset[int], now: float) -> Offer:
        is_full = self.arrivals.line(now).queue >= FULL
        bitrates = self.arrivals.bitrates(now, with_lost=is_full)
        begun = self.arrivals.begun_since(now - LEAST_SPAN)
        heard = self.arrivals.heard_since(now - TALKING)
        talkers = [info.stream for info, _ in self._wanted(Kind.AUDIO) if not info.muted]
        low = self._room.low_rate.streams
        talking = [stream for stream in talkers if not heard.isdisjoint((stream, low.get(stream)))]
        if self.ladder.low_rate:
            voices = tuple(bitrates.get((low.get(stream, stream), 0), LOW_VOICE) for stream in talking)
        else:
            least = COPIED_VOICE if self._is_redundant() else 0  # copies that were not sent yet are not measured
            voices = tuple(max(bitrates.get((stream, 0), USUAL_VOICE), least) for stream in talking)
        has_low_rate = Source.MICROPHONE in self.wishes.sources and not low.keys().isdisjoint(talking)
        saved = USUAL_VOICE - LOW_VOICE if has_low_rate else 0
        parts: list[tuple[int, int, int, int, Part]] = []
        for info, choice in self._wanted(Kind.VIDEO):
            importance = 1 if info.source is Source.SCREEN else 0 if info.participant in stage else 2
            priority = self.wishes.priorities.get(info.stream, PRIORITY)
            for layer, more in self._layers(info, choice, bitrates, begun):
                parts.append((-priority, importance, layer[1], layer[0], Part(layer, more)))
        offered = {each.layer for *_, each in parts}
        self._bitrates = {layer: takes for layer, takes in self._bitrates.items() if layer in offered}
        pictures = tuple(each for *_, each in sorted(parts, key=itemgetter(0, 1, 2, 3)))
        return Offer(voices, len(talkers), pictures, saved)

    def _layers(
        self, info: PublicationInfo, choice: StreamChoice, bitrates: dict[Layer, float], begun: set[Layer]
    ) -> Iterator[tuple[Layer, float]]:
        """Yield each layer, and what it takes more of the line than the one below it, whose place it takes."""
        layers = [(info.stream, layer) for layer in range(min(info.layers, choice.max_spatial + 1))]
        highest = max((layer for layer in layers if layer in bitrates), default=(info.stream, -1))
        below = 0.0
        for layer in layers:
            known = self._bitrates.get(layer)
            is_given_up = layer in self.ladder.given_up  # what still comes of it is the end of it
            if layer in bitrates and not is_given_up:
                takes = bitrates[layer]
                if layer in begun and not info.stills:
                    takes = max(takes, known or _usual(info, layer[1]))
            elif info.stills and layer[1] == 0:
                takes = known or STILLS
            elif layer < highest and not is_given_up:
                takes = known or bitrates[highest] * LOWER ** (highest[1] - layer[1])
            elif is_given_up:
                takes = known or _usual(info, layer[1])
            else:
                yield layer, 0.0  # nothing comes of it
                continue
            self._bitrates[layer] = takes
            yield layer, max(0.0, takes - below)
            below = max(below, takes)

    def _wanted(self, kind: Kind) -> Iterator[tuple[PublicationInfo, StreamChoice]]:
        """Yield what is wanted of others, and forwarded if it is asked for."""
        for info in self._room.publications.values():
            if info.kind is not kind or info.participant == self._room.own or self.is_left_out(info):
                continue
            if (choice := self.wanted(info)) is not None:
                yield info, choice


def _expected(offer: Offer) -> Offer:
    """Return an offer at the beginning of a meeting with the voices that may be heard soon, perhaps with copies."""
    more = min(offer.talkers, AT_ONCE) - len(offer.voices)
    return offer._replace(voices=offer.voices + (COPIED_VOICE,) * more)


def _usual(info: PublicationInfo, layer: int) -> float:
    """Return the bit/s that a layer is expected to take."""
    lines = (min(info.width, info.height) or UNKNOWN_LINES) >> (info.layers - 1 - layer)
    return USUAL_BITRATE * float((lines / USUAL_LINES) ** USUAL_GROWTH)
