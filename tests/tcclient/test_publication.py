"""Our publications, over a session that notes the requests."""

import asyncio
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tcclient.audio.gate import GateMode
from tcclient.capture.pacing import Timeline
from tcclient.core import Drop
from tcclient.core import events as core
from tcclient.core.media.publications import Publications
from tcclient.core.path.egress import Egress
from tcclient.core.rate.sharing import UplinkSharing
from tcclient.core.rate.uplink import UplinkRate
from tcclient.errors import MediaFileError, NoReply, RequestRefused, SourceError
from tcclient.publication import Publication, SentStatistics, begin_together, described
from tcclient.sources import AnySource, AudioSource, EncodedAudioSource, VideoSource
from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Caps, Kind


class Seat:
    """Takes the requests of a publication, as a seat and its ``publishing`` do. With ``gone`` it refuses them."""

    def __init__(self) -> None:
        self.publishing = self
        self.gone = False
        self.connection: Any = None
        self.muted: list[tuple[int, bool]] = []
        self.ended: list[int] = []
        drops: Counter[Drop] = Counter()
        self.egress = Egress(1, 0, bytes(32), drops)
        publications = self.publications = Publications(
            lambda publication: None,
            self.egress,
            lambda now, started: None,
            lambda header, now: None,
            lambda: (0.0, 0),
            drops,
        )
        uplink = UplinkRate(lambda item: None, lambda: None)
        self.sharing = UplinkSharing(uplink, publications, self.egress, lambda number, rate: None, lambda *limit: None)

    def set_muted(self, number: int, muted: bool) -> None:
        if self.gone:
            raise Refusal(ErrorCode.NO_SUCH_PUBLICATION)
        self.muted.append((number, muted))

    def unpublish(self, number: int) -> None:
        if self.gone:
            raise Refusal(ErrorCode.NOT_IN_ROOM)
        self.ended.append(number)


def made(source: AnySource, gate: GateMode = GateMode.OPEN) -> tuple[Publication, Seat, list[Any]]:
    """Return a publication, its seat, and what it reported of its end."""
    seat, told = Seat(), []
    connection: Any = SimpleNamespace(
        session=SimpleNamespace(seat=seat, seated=True), pump=lambda: None, given_up=False
    )
    publication = Publication(source, connection, gate, told.append, lambda _, error: told.append(error))
    seat.connection = connection
    publication.announced(4, seat)  # type: ignore[arg-type]
    return publication, seat, told


def test_what_was_not_sent_is_counted_apart() -> None:
    counts = SentStatistics()
    counts.count(0, b"lost", 1.0)
    assert (counts.unsent, counts.frames, counts.bitrate) == (1, 0, 0.0)
    counts.count(2, b"ab", 10.0)
    counts.count(1, b"cde", 12.0)
    assert (counts.packets, counts.frames, counts.bytes, counts.checksum) == (3, 2, 5, zlib.crc32(b"abcde"))
    assert counts.bitrate == 5 * 8 / 2


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MediaFileError("a.wav:\n  damaged"), "a.wav: damaged"),
        (RuntimeError("no more"), "the source failed: no more"),
        (ZeroDivisionError(), "the source failed: ZeroDivisionError"),
    ],
)
def test_an_error_of_a_source_is_told_in_a_line(error: Exception, text: str) -> None:
    assert described(error) == text


@pytest.mark.parametrize(
    ("source", "kind", "period"),
    [
        (AudioSource((), frame_ms=60), Kind.AUDIO, 0.06),
        (EncodedAudioSource(()), Kind.AUDIO, 0.02),
        (VideoSource((), 64, 64), Kind.VIDEO, 0.04),
    ],
)
def test_kind_and_period_are_those_of_the_source(source: AnySource, kind: Kind, period: float) -> None:
    publication, _, _ = made(source)
    assert (publication.kind, publication.period) == (kind, period)
    assert (publication.started, publication.ended) == (False, False)
    assert (publication.stream, publication.refusal, publication.left_out) == (0, None, 0)


def test_muting_is_told_and_holds_also_when_the_seat_is_gone() -> None:
    publication, seat, _ = made(AudioSource(()))
    assert publication.open
    publication.mute()
    assert (seat.muted, publication.muted, publication.open) == ([(4, True)], True, False)
    publication.mute(False)
    assert publication.open
    seat.gone = True
    with pytest.raises(RequestRefused):
        publication.mute()
    assert not publication.muted


def test_while_the_seat_is_lost_muting_is_for_the_next_one_and_stopping_for_none() -> None:
    async def test() -> None:
        publication, seat, _ = made(VideoSource((), 64, 64))
        connection = seat.connection
        connection.session.seated = False
        publication.mute()
        assert publication.muted
        connection.session = SimpleNamespace(seat=Seat(), seated=True)
        publication.announced(1, connection.session.seat)
        publication.mute(False)
        assert connection.session.seat.muted == [(1, False)]
        connection.session.seated = False
        await publication.stop()
        assert connection.session.seat.ended == seat.muted == seat.ended == []

    asyncio.run(test())


class Camera:
    """Gives as many pictures as it is told to."""

    def __init__(self) -> None:
        self._shown: asyncio.Queue[int] = asyncio.Queue()
        self._asked = asyncio.Semaphore(0)

    async def pictures(self) -> AsyncIterator[Any]:
        while True:
            self._asked.release()
            yield np.full((64, 64, 3), await self._shown.get() * 16, np.uint8)

    async def show(self, count: int) -> None:
        """Return when all that is made of so many pictures has been sent, or could not be."""
        for number in range(count):
            await self._asked.acquire()
            self._shown.put_nowait(number)
        await self._asked.acquire()
        self._asked.release()
        for _ in range(10):
            await asyncio.sleep(0)  # the last one leaves


def test_no_picture_is_encoded_that_could_not_be_sent_and_the_first_that_can_is_a_keyframe() -> None:
    async def test() -> None:
        camera = Camera()
        publication, seat, _ = made(VideoSource(camera.pictures(), 64, 64))
        session, counts = seat.connection.session, publication.statistics

        def encoded() -> tuple[int, int]:
            return counts.frames + counts.unsent, counts.keyframes

        publication.start(Timeline(0.0))
        async with asyncio.timeout(30):
            await camera.show(3)
            assert encoded() == (3, 1)
            publication.mute()
            await camera.show(3)
            assert encoded() == (3, 1)
            publication.mute(False)
            await camera.show(2)
            assert encoded() == (5, 2)
            session.seated = False
            await camera.show(2)
            assert encoded() == (5, 2)
            session.seated = True  # in the same seat others have what was before
            await camera.show(1)
            assert encoded() == (6, 2)
            publication.receive(core.HoldChanged(4, True))
            await camera.show(2)
            assert encoded() == (6, 2)
        await publication.stop()

    asyncio.run(test())


def test_push_to_talk_opens_and_shuts() -> None:
    publication, _, _ = made(AudioSource(()), GateMode.PUSH_TO_TALK)
    assert not publication.open
    publication.talk(True)
    assert publication.open
    publication.talk(False)
    assert not publication.open


@pytest.mark.parametrize(
    ("source", "gate", "text"),
    [
        (AudioSource(()), GateMode.OPEN, "push-to-talk is off"),
        (VideoSource((), 64, 64), GateMode.PUSH_TO_TALK, "push-to-talk is for sound"),
    ],
)
def test_where_there_is_nothing_to_press_talking_is_refused(source: AnySource, gate: GateMode, text: str) -> None:
    publication, _, _ = made(source, gate)
    with pytest.raises(RequestRefused, match=text):
        publication.talk(True)


def test_a_source_that_fails_at_once_is_refused_with_its_words() -> None:
    def broken() -> Any:
        raise RuntimeError("no sound")
        yield

    async def test() -> None:
        publication, _, told = made(AudioSource(broken()))
        with pytest.raises(SourceError, match="no sound"):
            await publication.look()
        await publication.stop()
        assert told == [publication]

    asyncio.run(test())


@pytest.mark.parametrize("gone", [False, True])
def test_stopping_ends_it_here_and_at_the_server_if_there_is_one(gone: bool) -> None:
    async def test() -> None:
        publication, seat, told = made(AudioSource([np.zeros(960, np.int16)]))
        seat.gone = gone
        await publication.stop()
        assert seat.ended == ([] if gone else [4])
        assert told == [publication]
        await publication.wait()  # nothing has begun, so there is nothing to wait for

    asyncio.run(test())


def test_a_chair_holds_it_muted_and_letting_go_unmutes_nothing() -> None:
    publication, _, _ = made(AudioSource(()))
    publication.receive(core.HoldChanged(4, True))
    assert (publication.held, publication.muted, publication.open) == (True, True, False)
    publication.receive(core.HoldChanged(4, False))
    assert (publication.held, publication.muted, publication.open) == (False, True, False)


async def granted(publications: Sequence[Publication]) -> None:
    for publication in publications:
        publication.receive(core.Published(4, 17, Caps(1, 1)))


async def ended(publications: Sequence[Publication]) -> None:
    await granted(publications)
    publications[0].receive(core.PublishFailed(4, ErrorCode.NOT_PERMITTED, "a chair ended it"))


async def unanswered(publications: Sequence[Publication]) -> None:
    raise NoReply(15)


def test_publications_begin_together() -> None:
    async def test() -> None:
        both = [made(AudioSource(())) for _ in range(2)]
        publications = [publication for publication, _, _ in both]
        await begin_together(publications, granted, muted=True)
        assert all(p.started and p.muted and p.stream == 17 for p in publications)
        for publication, seat, _ in both:
            await publication.stop()
            assert (seat.muted, seat.ended) == ([(4, True)], [4])

    asyncio.run(test())


@pytest.mark.parametrize(("announce", "error"), [(ended, RequestRefused), (unanswered, NoReply)])
def test_publications_that_cannot_all_begin_are_all_stopped(
    announce: Callable[[Sequence[Publication]], Awaitable[None]], error: type[Exception]
) -> None:
    async def test() -> None:
        both = [made(AudioSource(())) for _ in range(2)]
        with pytest.raises(error):
            await begin_together([publication for publication, _, _ in both], announce)
        assert [(p.started, seat.ended, told) for p, seat, told in both] == [(False, [4], [p]) for p, _, _ in both]

    asyncio.run(test())
