"""Writes and reads texts through the scripted server."""

from tcclient.core import events
from tcproto import messages as m

ROOM, PARTICIPANT, SERVER = m.ChatScope.ROOM, m.ChatScope.PARTICIPANT, m.ChatScope.SERVER
UNKNOWN = m.ChatScope.UNKNOWN
UNIX_MS = 1_767_225_600_000


def write(server, client, text, scope=ROOM, participant=0):
    message_id = client.session.seat.send_chat(text, UNIX_MS, server.now, scope, participant)
    server.pump()
    return message_id


def texts(client):
    return [event.text for event in client.told(events.ChatReceived)]


def private(server, client, to, text="psst"):
    return write(server, client, text, PARTICIPANT, to.participant)


def give(server, client, *messages):
    for message in messages:
        client.notify(message)
    server.pump()


def captured(server, write_it):
    """Return the messages of texts that were not delivered yet."""
    server.hold_texts = held = []
    write_it()
    server.hold_texts = None
    return held
