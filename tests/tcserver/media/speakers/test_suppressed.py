"""Which seats are suppressed: their datagrams may wait."""

from collections import Counter

import pytest

from tcproto.datagram import Item, ItemType, parse_header
from tcproto.datagram import Kind as DatagramKind
from tcproto.feedback import pack_arrival_request
from tcproto.messages import Kind as StreamKind
from tcserver.media.interface import Address, CloseSeat, CloseStream, MuteStream, OpenStream, SetSpeakers
from tcserver.media.speakers.suppressed import FEW, LOOK_BACK, MAX_SUPPRESSED, fair_share
from tests.support.media.world import CAPS, MediaClient, World, audio, packet_item, video

TALK, NOISE = 20, 70


class Meeting(World):
    """Everybody has a microphone. Those in ``talking`` talk, all others make a noise; one is forwarded."""

    def __init__(self, participants: int = FEW + 2) -> None:
        super().__init__(participants)
        self.sequence = 0
        self.reports: Counter[int] = Counter()
        """Arrival reports that seats got, by media id."""
        self.apply(SetSpeakers(1, 1, ()))
        for client in self.clients:
            self.publish(client, stream_of(client), to=[other for other in self.clients if other is not client])

    def run(self, seconds: float, *talking: MediaClient, silent: tuple[MediaClient, ...] = ()) -> set[int]:
        """Let time pass; return the seats that are suppressed in the end."""
        end = self.now + seconds
        while self.now < end:
            self.now = round(self.now + 0.02, 6)
            self.sequence += 1
            for client in self.clients:
                if client not in silent:
                    level = TALK if client in talking else NOISE
                    packet = audio(stream_of(client), self.sequence, level=level, voice=level == TALK)
                    self._count(client, self.receive(client, client.up(packet_item(packet))))
            if self.now >= self.plane.next_deadline():
                self.plane.poll(self.now)
        return self.plane.suppressed.media_ids

    def _count(self, client: MediaClient, answers: list[tuple[Address, bytes]]) -> None:
        for address, answer in answers:
            if address == client.address and parse_header(answer).kind == DatagramKind.DOWN:
                items = client.open_down(answer)
                self.reports[client.media_id] += sum(item.type == ItemType.ARRIVAL_REPORT for item in items)


def stream_of(client: MediaClient) -> int:
    return client.media_id - 1000


def ids(*clients: MediaClient) -> set[int]:
    return {client.media_id for client in clients}


def test_who_is_kept_back_is_unheard_until_something_is_forwarded():
    meeting = Meeting()
    talker, other, *rest = meeting.clients
    assert meeting.run(1, talker) == ids(other, *rest)
    assert meeting.plane.suppressed.changed
    meeting.plane.suppressed.changed = False
    assert meeting.run(1, talker) == ids(other, *rest)
    assert not meeting.plane.suppressed.changed
    # The first talker has fallen silent, so the place is won at once, and not only at the next decision.
    meeting.run(0.3)
    assert other.media_id not in meeting.run(0.02, other)
    assert meeting.plane.suppressed.changed
    assert meeting.run(1, other) == ids(talker, *rest)


def test_who_sends_little_or_nothing_is_heard_at_once():
    meeting = Meeting()
    talker, other, *rest = meeting.clients
    assert meeting.run(1, talker, silent=(other,)) == ids(*rest)
    assert meeting.run(LOOK_BACK + 0.4, talker, silent=(other, *rest)) == set()


def test_a_few_are_not_worth_it_and_too_many_do_not_fit():
    assert Meeting(FEW).run(1) == ids(*Meeting(FEW).clients)
    assert Meeting(FEW - 1).run(1) == set()
    assert len(Meeting(MAX_SUPPRESSED + 3).run(0.5)) == MAX_SUPPRESSED


def test_who_is_read_with_others_is_told_no_arrivals():
    meeting = Meeting()
    talker, other, *_ = meeting.clients
    for client in (talker, other):
        meeting.receive(client, client.up(Item(ItemType.ARRIVAL_REQUEST, pack_arrival_request(0.1))))
    assert other.media_id in meeting.run(1, talker)
    meeting.reports.clear()
    meeting.run(1, talker)
    assert meeting.reports[talker.media_id] >= 9
    assert meeting.reports[other.media_id] == 0
    meeting.run(1, other)
    assert meeting.reports[other.media_id] >= 5


def test_without_a_limit_everybody_is_heard():
    meeting = Meeting()
    meeting.apply(SetSpeakers(1, 0, ()))
    assert meeting.run(1) == set()


@pytest.mark.parametrize(
    ("kind", "muted", "waits"), [(StreamKind.VIDEO, False, False), (StreamKind.VIDEO, True, True), (None, False, True)]
)
def test_whose_camera_is_on_is_heard_and_beacons_change_nothing(kind, muted, waits):
    meeting = Meeting()
    watched = meeting.clients[1]
    meeting.publish(watched, 99, kind, to=meeting.clients[2:], muted=muted)
    assert (watched.media_id in meeting.run(1, meeting.clients[0])) == waits


@pytest.mark.parametrize(
    "command",
    [
        lambda client: OpenStream(99, client.media_id, StreamKind.VIDEO, CAPS),
        lambda client: MuteStream(stream_of(client), client.media_id, True),
        lambda client: CloseStream(stream_of(client), client.media_id),
        lambda client: CloseSeat(client.media_id, 1),
    ],
)
def test_who_changes_something_is_heard_from_then_on(command):
    meeting = Meeting()
    talker, other, *rest = meeting.clients
    assert meeting.run(1, talker) == ids(other, *rest)
    meeting.apply(command(other))
    assert meeting.plane.suppressed.media_ids == ids(*rest)


def test_a_picture_of_an_unheard_seat_makes_it_heard():
    meeting = Meeting()
    talker, other, *_ = meeting.clients
    meeting.publish(other, 99, StreamKind.VIDEO, to=[talker], muted=True)
    assert other.media_id in meeting.run(1, talker)
    meeting.apply(MuteStream(99, other.media_id, False))
    meeting.receive(other, other.up(packet_item(video(99))))
    assert other.media_id not in meeting.run(0.3, talker)


def test_workers_share_what_may_be_told():
    many, others, few = range(1000, 1000 + MAX_SUPPRESSED), range(2000, 2000 + MAX_SUPPRESSED), (7, 8)
    shared = fair_share([many, others, few])
    assert len(set(shared)) == MAX_SUPPRESSED
    assert [len(set(shared) & set(seats)) for seats in (many, others, few)] == [127, 127, 2]
    assert fair_share([(), (1, 2, 3), (4,)]) == [1, 4, 2, 3]
    assert fair_share([]) == []
