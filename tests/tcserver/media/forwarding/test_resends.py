"""Datagrams of a seat that did not come are asked for, and their packets are forwarded late."""

import pytest

from tcproto.copies import COPY_MARGIN, Copy, pack_copies
from tcproto.datagram import Item, ItemType
from tcproto.feedback import parse_resend_request
from tcproto.packet import AUDIO_HEADER_SIZE, parse_header
from tcserver.media.forwarding.resends import MAX_MISSING, REORDER_WAIT, SECOND_AFTER, TRIES, Resends
from tcserver.media.forwarding.seat import UpKey
from tcserver.media.interface import STREAM_HOST, Address, CloseSeat, RekeySeat
from tests.support.media.world import World, audio, deliveries, forwarded, packet_item, send

STREAM = 7


class Talk:
    """Participant 1 talks to participant 2; some datagrams do not come."""

    def __init__(self) -> None:
        self.world = World(2)
        self.talker, self.listener = self.world.clients
        self.world.publish(self.talker, STREAM, to=[self.listener])
        self.world.plane.seats[self.talker.media_id].path.rtt = 0.08

    def speak(self, sequence: int):
        return send(self.world, self.talker, audio(STREAM, sequence))

    def copied(self, sequence: int, *distances: int):
        """Say a packet, with copies of packets so far before it."""
        packets = [audio(STREAM, sequence - distance) for distance in distances]
        header = parse_header(packets[0])
        copies = [
            Copy(d, header.level, header.voice, p[AUDIO_HEADER_SIZE:]) for d, p in zip(distances, packets, strict=True)
        ]
        items = packet_item(audio(STREAM, sequence)), Item(ItemType.COPIES, pack_copies(copies))
        return self.world.receive(self.talker, self.talker.up(*items))

    def lose(self, count: int) -> list[int]:
        first = self.talker.counter
        self.talker.counter += count
        return list(range(first, first + count))

    def asked(self, after: float = 0.0) -> list[list[int]]:
        """Let time pass; return the counters in each request to the talker."""
        self.world.now += after
        self.world.plane.poll(self.world.now)
        found = []
        for address, datagram in deliveries(self.world.plane.take_transmissions()):
            assert address == self.talker.address
            ((type_, value),) = self.talker.open_down(datagram)
            assert type_ == ItemType.RESEND_REQUEST
            found.append(parse_resend_request(value))
        return found


def test_what_is_missing_is_asked_for_soon_again_and_then_a_round_trip_later():
    talk = Talk()
    talk.speak(0)
    assert talk.asked() == []
    missing = talk.lose(3)
    talk.world.plane.sooner = False
    talk.speak(4)
    assert talk.world.plane.sooner
    assert talk.world.plane.next_deadline() == talk.world.now
    waits = (SECOND_AFTER, 0.08, 0.08)
    assert len(waits) == TRIES
    for wait in waits:
        assert talk.asked() == [missing]
        assert talk.asked(wait / 2) == []
        talk.world.now += wait / 2 + 1e-6
    assert talk.asked() == []
    assert talk.asked() == []
    assert not talk.world.plane._repair._resends, "forgotten"


def test_the_answer_is_forwarded_late_as_a_packet_of_its_own():
    talk = Talk()
    talk.speak(0)
    talk.lose(1)
    talk.speak(2)
    sent = talk.world.receive(talk.talker, talk.talker.up(packet_item(audio(STREAM, 1))))
    assert forwarded(sent) == {talk.listener.address: [(2, audio(STREAM, 1))]}


def test_what_was_only_overtaken_is_not_asked_for():
    talk = Talk()
    talk.speak(0)
    (missing,) = talk.lose(1)
    talk.speak(2)
    late = talk.talker.up(packet_item(audio(STREAM, 1)), counter=missing)
    talk.world.receive(talk.talker, late)
    assert talk.asked() == []
    (missing,) = talk.lose(1)
    talk.speak(4)
    assert talk.asked(REORDER_WAIT / 2) == [], "on a way where that happens"
    assert talk.asked(REORDER_WAIT / 2 + 1e-6) == [[missing]]


def test_nothing_is_asked_under_a_key_that_was_replaced_nor_of_a_seat_that_is_gone():
    talk = Talk()
    talk.speak(0)
    talk.lose(1)
    talk.speak(2)
    talk.world.apply(RekeySeat(talk.talker.media_id, 1, bytes(32), talk.talker.down_key))
    talk.talker.epoch, talk.talker.up_key, talk.talker.counter = 1, bytes(32), 0
    talk.speak(3)
    assert talk.asked() == []
    missing = talk.lose(1)
    talk.speak(4)
    assert talk.asked() == [missing]
    talk.world.apply(CloseSeat(talk.talker.media_id, 1))
    assert talk.asked(1) == []
    assert talk.world.plane._repair.next_deadline() is None


def test_a_path_that_is_not_proven_is_asked_nothing():
    talk = Talk()
    talk.speak(0)
    talk.lose(1)
    talk.speak(2)
    talk.world.plane.seats[talk.talker.media_id].path.address = None
    assert talk.asked() == []


def test_what_is_missed_at_a_time_is_bounded():
    up = UpKey(0, bytes(32))
    resends = Resends(up)
    up.gap = range(5, 500)
    up.window.commit(500)
    resends.miss(1.0)
    assert resends.gap == MAX_MISSING, "what is looked at for each datagram, if hundreds are skipped each time"
    assert resends.due(None, 1.0) == list(range(500 - MAX_MISSING, 500))
    assert resends.next_deadline == pytest.approx(1.0 + SECOND_AFTER)
    assert up.take_gap() == range(0)


def test_what_a_stream_has_left_out_is_not_asked_for():
    talk = Talk()
    talk.speak(0)
    path = talk.world.plane.seats[talk.talker.media_id].path
    path.address = talk.talker.address = Address(0, STREAM_HOST, 1)
    talk.lose(3)
    talk.speak(1)
    assert talk.asked(after=1.0) == []


def test_a_gap_is_due_before_the_next_request_for_an_older_one():
    talk = Talk()
    talk.speak(0)
    first = talk.lose(1)
    talk.speak(2)
    assert talk.asked() == [first]
    second = talk.lose(1)
    talk.speak(4)
    plane = talk.world.plane
    assert plane.next_deadline() == talk.world.now, "at once"
    assert talk.asked() == [second]
    assert talk.asked(after=0.08 + 1e-6) == [first + second]
    for number in range(5, 5 + 2 * MAX_MISSING, 2):
        talk.lose(1)
        talk.speak(number)
        talk.asked(after=0.001)
    for _ in range(TRIES):
        talk.asked(after=1.0)
    assert talk.asked(after=1.0) == []


def test_what_a_copy_brings_or_may_bring_is_not_asked_for():
    talk = Talk()
    talk.speak(0)
    talk.lose(1)
    talk.copied(2, 2)
    assert talk.asked(after=0.02) == [], "the copy comes behind the next packet"
    sent = talk.copied(3, 2)
    assert forwarded(sent) == {talk.listener.address: [(2, audio(STREAM, 1)), (3, audio(STREAM, 3))]}
    assert talk.asked(after=1.0) == []
    missing = talk.lose(2)
    talk.copied(6, 2)
    assert talk.asked() == [], "one came with it"
    assert talk.asked(after=0.02 + COPY_MARGIN + 1e-6) == [missing[1:]], "the other is late"
    assert not talk.world.drops()


def test_where_it_is_not_known_what_is_missing_it_is_asked_for_at_once():
    talk = Talk()
    talk.speak(0)
    missing = talk.lose(2)
    talk.copied(2, 2)
    assert talk.asked() == [missing], "one of them is no packet of sound"
    talk.speak(3)
    missing = talk.lose(1)
    talk.world.receive(talk.talker, talk.talker.up(packet_item(audio(STREAM, 5)), Item(ItemType.COPIES, b"\0")))
    assert talk.asked()[0][-1:] == missing, "malformed"


def test_copies_that_are_waited_for_are_bounded():
    up = UpKey(0, bytes(32))
    resends = Resends(up)
    for start in range(0, 20 * MAX_MISSING, 2 * MAX_MISSING):
        up.window.commit(start + MAX_MISSING)
        up.gap = range(start, start + MAX_MISSING)
        resends.miss(1.0)
        assert resends.gap == MAX_MISSING
        resends.expect_copies(STREAM, start + MAX_MISSING, 2, 0.02)
    assert len(resends._sequences) == MAX_MISSING
