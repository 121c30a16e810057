import pytest
from scripted_server import FINGERPRINT, LIFE, PUBLIC, Server, payloads

from tcclient.core import Drop, PathState, Phase, Session, Settings, events
from tcproto import messages as m
from tcproto.errors import Action, ErrorCode, Refusal


def test_smoke():
    server = Server()
    a, b = server.seated(2)
    assert a.session.phase is Phase.ROOM
    number = a.publish()
    assert a.speak(number)
    assert payloads(b) == [b"voice"]
