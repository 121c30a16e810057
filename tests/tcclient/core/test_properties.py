"""Whatever the network does to datagrams, and whatever members do: nothing twice, nothing wrong, nobody stuck."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tcclient.core import Phase, events
from tests.support.scripted_server import Server

NETWORK = st.lists(st.tuples(st.integers(0, 39), st.floats(0, 0.05)), max_size=120)


@settings(max_examples=40, deadline=None)
@given(NETWORK, st.booleans())
def test_each_packet_comes_at_most_once_and_unchanged(plan, e2ee):
    server = Server(e2ee=e2ee)
    a, b = server.seated(2)
    number = a.publish()
    server.deliver = False
    for i in range(40):
        a.session.seat.publications.send_audio(number, bytes([i]), i * 960, server.now)
        server.pump()
    datagrams = server.forwarded[-40:]
    for which, pause in plan:
        server.now += pause
        b.session.receive_datagram(datagrams[which], server.now)
    b.collect()
    came = [(packet.payload[0], packet.header.timestamp) for packet in b.media]
    assert came == [(which, which * 960) for which in dict.fromkeys(which for which, _ in plan)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=8), st.booleans())
def test_arbitrary_bytes_end_in_one_closed_event_at_most(chunks, seated):
    server = Server()
    client = server.connect()
    if seated:
        client.login()
    for chunk in chunks:
        client.session.receive_control(chunk, server.now)
        client.session.receive_datagram(chunk, server.now)
    client.collect()
    assert len(client.told(events.Closed)) == client.session.closed
    client.session.control_to_send()
    client.session.handle_timeout(server.now + 1)


class Meeting(RuleBasedStateMachine):
    """Members come, speak, go, are kicked and mute themselves, while key boxes are sometimes late."""

    def __init__(self):
        super().__init__()
        self.server = Server()

    def seated(self):
        return [client for client in self.server.clients if client.session.phase is Phase.ROOM]

    def one(self, index):
        seated = self.seated()
        return seated[index % len(seated)]

    @precondition(lambda self: len(self.seated()) < 6)
    @rule()
    def come(self):
        self.server.connect().login()

    @precondition(lambda self: self.seated())
    @rule(index=st.integers(0, 5))
    def go(self, index):
        self.one(index).session.leave()
        self.server.pump()

    @precondition(lambda self: self.seated())
    @rule(index=st.integers(0, 5))
    def kicked(self, index):
        self.server.evict(self.one(index))
        self.server.pump()

    @precondition(lambda self: self.seated())
    @rule(index=st.integers(0, 5))
    def publish(self, index):
        client = self.one(index)
        if not client.seat.publications.live:
            client.publish()

    @precondition(lambda self: self.seated())
    @rule(index=st.integers(0, 5))
    def end(self, index):
        client = self.one(index)
        for number in list(client.seat.publications.live):
            client.session.seat.publishing.unpublish(number)
        self.server.pump()

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds):
        self.server.advance(seconds)

    @precondition(lambda self: self.seated())
    @rule(index=st.integers(0, 5), delivered=st.booleans())
    def speak(self, index, delivered):
        self.server.deliver = delivered
        for number in self.one(index).seat.publications.live:
            self.one(index).speak(number)
        self.server.deliver = True

    @precondition(lambda self: self.server.hold_boxes is None)
    @rule()
    def boxes_are_late(self):
        self.server.hold_boxes = []

    @precondition(lambda self: self.server.hold_boxes is not None)
    @rule()
    def boxes_come(self):
        held, self.server.hold_boxes = self.server.hold_boxes, None
        for entry in held:
            self.server.pass_box(*entry)
        self.server.pump()

    @invariant()
    def everybody_knows_who_is_here(self):
        assert len({client.session.seat.room.safety_code() for client in self.seated()}) <= 1
        assert not any(client.told(events.MembershipMismatch) for client in self.server.clients)
        assert not any(client.told(events.Closed) for client in self.server.clients)

    def teardown(self):
        """At the end, when the boxes have come, everybody hears everybody."""
        if self.server.hold_boxes is not None:
            self.boxes_come()
        self.server.advance(15)
        for client in self.seated():
            for other in self.seated():
                other.take_media()
            for number in client.seat.publications.live:
                assert client.speak(number)
                for other in self.seated():
                    if other is not client:
                        assert [packet.payload for packet in other.take_media()] == [b"voice"]


TestMeeting = Meeting.TestCase
TestMeeting.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
