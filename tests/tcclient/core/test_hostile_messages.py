"""Whatever valid messages a server sends, in any order: a session goes on, or ends with one reason."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tcclient.core import events
from tcproto import messages as m
from tcproto.messages.registry import ROWS, Sender
from tests.support.message_values import instances
from tests.support.scripted_server import Server

NOTIFICATIONS = [
    row.message
    for row in ROWS.values()
    if row.sender & Sender.SERVER and not row.numbered and row.states & m.State.ROOM and row.message is not m.Close
]
ANYTHING = st.sampled_from(NOTIFICATIONS).flatmap(instances)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "participant": st.integers(0, 9),
        "name": st.text("\u202eaZ\u0334", max_size=9),
        "box_key": st.binary(min_size=32, max_size=32),
        "beacon_stream": st.sampled_from([10, 11, 20, 30]),
        "role": st.sampled_from(m.Role),
    },
)
"""A field of a member that is not true."""
WAYS = st.sampled_from([m.ChangeKind.MEMBER_JOINED, m.ChangeKind.MEMBER_UPDATED])
STEPS = st.lists(
    st.one_of(
        ANYTHING,
        st.tuples(st.integers(1, 2), WAYS, FIELDS),
        st.sampled_from(["again", "gone", "shuffled"]),
        st.floats(0, 40),
    ),
    max_size=25,
)


def after(server, client, step):
    """Messages of the server: true ones, and lies about the members."""
    members = tuple(server.members.values())
    match step:
        case "again":
            return [m.Snapshot(server.number, server.info, members, tuple(server.publications.values()), True)]
        case "gone":
            return [m.Snapshot(server.number, server.info, (server.members[client.participant],), (), True)]
        case "shuffled":
            pages = [m.Snapshot(server.number, server.info, (member,), (), False) for member in reversed(members)]
            return [*pages, replace(pages[0], members=(), last=True)]
        case int(which), way, fields:
            server.number += 1
            change = m.Change(way, member=replace(members[which], **fields))
            return [m.RoomChanges(server.number, (change,))]
        case _:
            return [step]


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_any_messages_in_any_order(steps):
    server = Server()
    client, *others = server.seated(3)
    client.publish()
    for other in others:
        other.publish()
    for step in steps:
        if isinstance(step, float):
            server.advance(step)
            continue
        for message in after(server, client, step):
            client.notify(message)
            if isinstance(message, m.SessionKeys | m.MediaMove):
                client.udp = False  # this server cannot open what comes under other keys
        server.pump()
    server.advance(20)
    client.session.control_to_send()
    assert len(client.told(events.Closed)) == client.session.closed
    if client.session.closed:
        assert isinstance(client.events[-1], events.Closed)
