"""Whatever clients and networks do, in any order: no packet is delivered twice or to its sender, and all recover.

The simulation itself checks each delivery and each byte to an unproven address. It also checks that no real client is
found to break the protocol.
"""

from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tcclient.core import Phase
from tcproto.messages import Kick, Kind, Role, SetRole, Source
from tests.support.simulation.network import CELLULAR, LAN, RURAL, SATELLITE, WIFI
from tests.support.simulation.world import World

MOST = 5
CONDITIONS = (LAN, WIFI, CELLULAR, RURAL, SATELLITE)
clients = st.integers(0, MOST - 1)


class Meeting(RuleBasedStateMachine):
    settings: ClassVar[dict[str, float]] = {"rooms__kick_s": 5.0}

    def __init__(self):
        super().__init__()
        self.world = None
        self.sequence = 0

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed):
        self.world = World(seed, **self.settings)
        for _ in range(2):
            self.come(0, 0.001)
        self.world.run(1)

    def one(self, index):
        return self.world.clients[index % len(self.world.clients)]

    def speaks(self, client):
        return client.in_room and client.microphone in client.session.seat.publications.live

    @precondition(lambda self: self.world and len(self.world.clients) < MOST)
    @rule(conditions=st.integers(0, len(CONDITIONS) - 1), tcp_delay=st.sampled_from([0.001, 0.05, 0.4]))
    def come(self, conditions, tcp_delay):
        self.world.client(f"participant {len(self.world.clients)}", CONDITIONS[conditions], tcp_delay=tcp_delay)

    @rule(seconds=st.sampled_from([0.003, 0.05, 0.2, 1.0, 3.0, 12.0]))
    def wait(self, seconds):
        self.world.run(seconds)

    @rule(index=clients)
    def go_or_come_back(self, index):
        client = self.one(index)
        if client.session.closed:
            client.connect()
        elif client.session.phase is Phase.LOBBY:
            client.enter()
        elif client.session.phase is Phase.ROOM:
            client.leave()

    @rule(index=clients)
    def talk(self, index):
        self.one(index).talk()

    @rule(index=clients)
    def hush(self, index):
        self.one(index).hush()

    @rule(index=clients, muted=st.booleans())
    def mute(self, index, muted):
        client = self.one(index)
        if self.speaks(client):
            client.mute(muted)

    @rule(index=clients)
    def publish_or_not(self, index):
        client = self.one(index)
        if self.speaks(client):
            client.session.seat.publishing.unpublish(client.microphone)
            client.pump()
        elif client.in_room:
            client.microphone = client.publish(Kind.AUDIO, Source.MICROPHONE, "opus")

    @rule(index=clients, conditions=st.integers(0, len(CONDITIONS) - 1))
    def weather(self, index, conditions):
        client = self.one(index)
        client.up.conditions = client.down.conditions = CONDITIONS[conditions]

    @rule(index=clients)
    def block(self, index):
        self.one(index).block()

    @rule(index=clients)
    def unblock(self, index):
        self.one(index).unblock()

    @rule(index=clients)
    def rebind(self, index):
        self.one(index).rebind()

    @rule(index=clients, seconds=st.sampled_from([1.0, 8.0, 16.0]))
    def outage(self, index, seconds):
        self.one(index).outage(seconds)

    @rule(index=clients)
    def drop_and_reconnect(self, index):
        client = self.one(index)
        client.vanish()
        client.rebind()
        client.unblock()
        client.connect()

    @rule(actor=clients, other=clients)
    def kick(self, actor, other):
        actor, target = self.one(actor), self.one(other)
        if actor.in_room and target.in_room and actor is not target:
            actor.request(Kick(target.participant, ""))

    @rule(actor=clients, other=clients, role=st.sampled_from([Role.LISTENER, Role.SPEAKER, Role.OBSERVER]))
    def give_role(self, actor, other, role):
        actor, target = self.one(actor), self.one(other)
        if actor.in_room and target.in_room:
            actor.request(SetRole(target.participant, role))

    def teardown(self):
        if self.world is None:
            return
        world = self.world
        self.heal()
        everybody = world.clients
        rosters = [client.session.seat.room for client in everybody]
        for roster in rosters:
            assert roster.members.keys() == {client.participant for client in everybody}
            assert roster.publications == rosters[0].publications
            assert all(member.verified for member in roster.members.values())
        assert len(world.server.sessions) == len(everybody)
        assert sum(len(plane.seats) for plane in world.server.planes.all) == len(everybody)
        speakers = [client for client in everybody if self.speaks(client)]
        since = world.now
        for speaker in speakers:
            assert speaker.say(), f"{speaker.name} cannot send"
            world.run(0.05)
        world.run(1)
        for listener in everybody:
            heard = [heard.speaker for heard in listener.heard if heard.at >= since]
            assert heard == [speaker.name for speaker in speakers if speaker is not listener], listener.name

    def heal(self):
        """Everybody gets a good network, comes back, and says nothing for a while."""
        world = self.world
        for client in world.clients:
            client.hush()
            for stream in (client.to_server, client.from_server):
                stream.resume()
                stream.delay = 0.001
            client.up.conditions = client.down.conditions = LAN
        world.run(25)
        for client in world.clients:
            if client.session.phase >= Phase.DETACHED:  # its seat is not kept here
                client.connect()
            elif client.session.phase is Phase.LOBBY:
                client.enter()
        world.run(10)
        for client in world.clients:
            assert client.in_room, f"{client.name} did not get in"
            if self.speaks(client):
                client.mute(False)
            elif client.session.seat.room.members[client.participant].member.role in (Role.SPEAKER, Role.CHAIR):
                client.microphone = client.publish(Kind.AUDIO, Source.MICROPHONE, "opus")
        world.run(10)


def test_a_publication_that_ends_with_the_change_that_begins_it():
    meeting = Meeting()
    meeting.begin(seed=0)
    meeting.publish_or_not(index=0)
    meeting.publish_or_not(index=0)
    meeting.give_role(actor=0, other=0, role=Role.LISTENER)
    meeting.teardown()


def test_a_client_whose_connection_was_silent_for_too_long_comes_back():
    meeting = Meeting()
    meeting.begin(seed=0)
    meeting.wait(seconds=12.0)
    meeting.outage(index=0, seconds=16.0)
    meeting.wait(seconds=12.0)
    meeting.teardown()


class Spread(Meeting):
    """The same over three media planes; any of them may end."""

    settings: ClassVar[dict[str, float]] = {**Meeting.settings, "server__workers": 3, "server__room_spread": 1}

    @precondition(lambda self: self.world)
    @rule(worker=st.integers(0, 2))
    def replace_worker(self, worker):
        self.world.server.replace_worker(worker)


def test_somebody_who_may_not_come_back_yet_begins_anew_meanwhile():
    meeting = Spread()
    meeting.begin(seed=0)
    meeting.kick(actor=0, other=1)
    meeting.drop_and_reconnect(index=1)
    meeting.wait(seconds=0.2)
    for index in (0, 0, 0, 1):
        meeting.drop_and_reconnect(index=index)
    meeting.teardown()


for machine in (Meeting, Spread):
    machine.TestCase.settings = settings(
        max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
TestMeeting = Meeting.TestCase
TestSpread = Spread.TestCase
