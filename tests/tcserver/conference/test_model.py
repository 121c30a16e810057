"""Many clients do anything in any order. The driver checks each effect, the machine what must hold in the end."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tcproto import messages as m
from tcproto.errors import Action, ErrorCode
from tcproto.identity import SigningKey
from tcserver.conference import MessageClass, Rate
from tcserver.media.interface import KeyframeAsked, SealerRekeyDue, SeatRekeyDue, SpeakersChanged
from tcserver.records import DuplicatePolicy, RoomRecord
from tests.support.conference.driver import Driver
from tests.support.conference.identities import make_account

ACCOUNTS = ["a1", "a2", "a3", "boss", "unknown"]
ROOMS = ["hall", "room", "clear"]
SOURCES = [m.Source.MICROPHONE, m.Source.CAMERA, m.Source.SCREEN]
ROLES = list(m.Role)


class Meeting(RuleBasedStateMachine):
    clients = Bundle("clients")

    def __init__(self):
        super().__init__()
        accounts = (
            make_account("a1", 1, max_sessions=2),
            make_account("a2", 2, max_sessions=2, duplicates=DuplicatePolicy.REPLACE),
            make_account("a3", 3, duplicates=DuplicatePolicy.REFUSE, role=m.Role.LISTENER),
            make_account("boss", 4, role=m.Role.ADMIN),
        )
        self.driver = Driver(
            accounts=accounts,
            rooms=(RoomRecord("hall", "Hall", roles={"a2": m.Role.CHAIR}), RoomRecord("clear", "C", e2ee=False)),
            login__max_sessions=6,
            server__workers=3,
            server__room_spread=1,
            rooms__max_rooms=2,
            rooms__max_participants=4,
            limits__max_publications=2,
            rates={name: Rate(20, 40) for name in MessageClass},
        )
        self.all = []

    @rule(target=clients, account=st.sampled_from(ACCOUNTS), device=st.integers(1, 4))
    def connect(self, account, device):
        driver = self.driver
        known = account in driver.accounts
        client = driver.client(account, device=device)
        if not known:
            del driver.accounts[account]
        self.all.append(client)
        return client

    @rule(
        target=clients, account=st.sampled_from(ACCOUNTS[:4]), device=st.integers(1, 9), room=st.sampled_from(ROOMS[:2])
    )
    def arrive(self, account, device, room):
        client = self.driver.client(account, device=device)
        self.all.append(client)
        if isinstance(client.log_in(), m.Welcome):
            client.enter(room)
        return client

    def ask(self, client, message):
        if not client.is_gone:
            client.send(message)

    @rule(worker=st.integers(0, 1))
    def replace_worker(self, worker):
        self.driver.replace_worker(worker)

    @rule(client=clients, wrong=st.booleans())
    def log_in(self, client, wrong):
        self.ask(client, m.LoginBegin(client.account))
        self.ask(client, client.login_message(key=SigningKey(bytes(32)) if wrong else None))

    @rule(client=clients, room=st.sampled_from(ROOMS), e2ee=st.sampled_from([True, True, True, False]))
    def enter(self, client, room, e2ee):
        if not client.is_gone:
            client.enter(room, e2ee=e2ee)

    @rule(
        client=clients, message=st.sampled_from([m.Leave(), m.GetSnapshot(), m.Probe(), m.Ping(1), m.UpdateRoom("T")])
    )
    def simple(self, client, message):
        self.ask(client, message)

    @rule(client=clients, source=st.sampled_from(SOURCES), muted=st.booleans())
    def publish(self, client, source, muted):
        if not client.is_gone:
            client.announce(source, muted=muted)

    @rule(client=clients, number=st.integers(1, 4), what=st.sampled_from(["unpublish", "mute", "unmute"]))
    def change_publication(self, client, number, what):
        self.ask(client, m.Unpublish(number) if what == "unpublish" else m.Mute(number, what == "mute"))

    @rule(
        client=clients,
        generation=st.integers(0, 5),
        sources=st.sets(st.sampled_from(SOURCES)),
        choices=st.lists(st.builds(m.StreamChoice, st.integers(1, 9), st.booleans(), st.booleans()), max_size=3),
    )
    def subscribe(self, client, generation, sources, choices):
        self.ask(client, m.Subscribe(generation, tuple(sources), tuple(choices)))

    @rule(client=clients, other=clients, role=st.sampled_from(ROLES), kick=st.booleans())
    def moderate(self, client, other, role, kick):
        participant = other.participant if other.view else 5
        self.ask(client, m.Kick(participant) if kick else m.SetRole(participant, role))

    @rule(client=clients, other=clients, flags=st.tuples(st.booleans(), st.booleans()), source=st.sampled_from(SOURCES))
    def mute_other(self, client, other, flags, source):
        participant = other.participant if other.view and client is not other else 0
        self.ask(client, m.MuteOther(participant, source, *flags))

    @rule(client=clients, other=clients, what=st.sampled_from(["up", "down", "down all"]))
    def hands(self, client, other, what):
        participant = other.participant if other.view else 5
        self.ask(client, m.RaiseHand() if what == "up" else m.LowerHand(participant, what == "down all"))

    @rule(
        client=clients,
        other=clients,
        scope=st.sampled_from(list(m.ChatScope)),
        number=st.integers(0, 3),
        form=st.sampled_from([("halo", b""), ("", b"halo"), ("halo", b"halo")]),
    )
    def chat(self, client, other, scope, number, form):
        participant = other.participant if other.view else 5
        self.ask(client, m.Chat(number.to_bytes(16, "big"), scope, form[0], participant, form[1]))

    @rule(client=clients, other=clients, stream=st.integers(1, 9))
    def notify(self, client, other, stream):
        if not client.is_gone:
            client.tell(m.KeyframeRequest(stream))
        if not client.is_gone:
            client.tell(m.KeyBoxes((m.AddressedBox(other.participant if other.view else 5, b"box"),)))

    @rule(client=clients)
    def close_room(self, client):
        self.ask(client, m.CloseRoom())

    @rule(client=consumes(clients), polite=st.booleans())
    def go(self, client, polite):
        if not client.is_gone:
            if polite:
                client.tell(m.Close(ErrorCode.INTERNAL, "", Action.NONE))
            else:
                client.drop()

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.3, 1.0, 3.0, 11.0, 25.0, 400.0]), jump=st.integers(-(10**8), 10**8))
    def wait(self, seconds, jump):
        self.driver.advance(seconds)
        self.driver.unix_ms += jump

    @rule(flag=st.sampled_from(["hold_lookups", "hold_seats", "hold_writes"]))
    def hold(self, flag):
        setattr(self.driver, flag, True)

    @rule()
    def answer(self):
        self.driver.answer_held()

    @rule(client=clients, stream=st.integers(1, 9), room=st.integers(1, 4))
    def media(self, client, stream, room):
        media_id = client.media_id if client.view else 0x500
        participant = client.participant if client.view else 5
        for event in (
            KeyframeAsked(media_id, stream, 0),
            SeatRekeyDue(media_id),
            SealerRekeyDue(room, next(iter(self.driver.conference.context.sealer_ids._taken), 1)),
            SpeakersChanged(room, (participant,), (), participant),
        ):
            self.driver.event(event)

    @rule(account=st.sampled_from(ACCOUNTS[:4]))
    def change_account(self, account):
        old = self.driver.accounts[account]
        self.driver.accounts[account] = make_account(
            account,
            old.id,
            generation=old.generation + 1,
            max_sessions=old.max_sessions,
            duplicates=old.duplicates,
            role=old.role,
        )
        generations = {a.id: a.generation for a in self.driver.accounts.values()}
        self.driver.change_accounts(generations)

    @invariant()
    def books_agree(self):
        driver = self.driver
        assert driver.conference.sessions == len(driver.sessions)
        assert len(driver.conference.context.seats) == len(driver.plane.seats)

    def teardown(self):
        driver = self.driver
        driver.answer_held()
        driver.advance(6)
        driver.check()
        for client in self.all:
            assert client.is_gone or client.open == {}, "every request has a reply"
        for client in self.all:
            if not client.is_gone:
                client.drop()
        driver.advance(301)
        driver.check()
        assert driver.sessions == driver.plane.rooms == driver.plane.seats == driver.plane.streams == {}
        assert driver.conference.next_deadline() is None


TestMeeting = Meeting.TestCase
TestMeeting.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
