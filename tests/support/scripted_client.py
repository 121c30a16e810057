"""A client of the scripted server: a session, and the server's end of its connection."""

import random
from collections import Counter

from tcclient.core import Session, control_connection, events
from tcproto import messages as m
from tcproto.control import ControlConnection
from tcproto.identity import SigningKey

STATIC = bytes(range(32))
ACCOUNT_KEY = SigningKey(b"a" * 32)


class Client:
    """A session, the server's end of its connection, and all that either has reported."""

    def __init__(self, server, number, settings, lives=None):
        self.server = server
        self.random = random.Random(number)
        self.device = SigningKey(self.random.randbytes(32))
        control = control_connection(self.random.randbytes)
        self.session = Session(settings, self.device, control, self.random.randbytes, server.now, lives)
        self.connection = ControlConnection.server(STATIC)
        self.name = f"Participant {number}"
        self.events = []
        self.media = []
        self.sent = []
        self.received = []
        self.replies = []
        self.participant = None
        self.counters = Counter()
        self.epoch = 1
        self.up_keys = {1: self.random.randbytes(32)}
        self.down_key = self.random.randbytes(32)
        self.media_id = 1000 + number
        self.handshake_hash = b""
        self.udp = True
        self.proven = False
        self.highest = self.count = 0

    @property
    def seat(self):
        return self.session.seat

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def of(self, kind):
        return [message for message in self.received if isinstance(message, kind)]

    def collect(self):
        while (event := self.session.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, events.DeriveKey):
                self.session.account_key_derived(ACCOUNT_KEY)
        self.media += self.session.media_received()

    def notify(self, message):
        self.connection.send(message)

    def login(self, **join):
        self.server.pump()
        self.session.begin_login("Agency", self.name)
        self.server.pump()
        self.session.join("room", 1_700_000_000_000, e2ee=self.server.e2ee, require_e2ee=False, **join)
        self.server.pump()
        return self

    def publish(self, kind=m.Kind.AUDIO, source=m.Source.MICROPHONE, codec="opus", **more):
        number = self.session.seat.publishing.publish(kind, source, codec, self.server.now, **more)
        self.server.pump()
        return number

    def speak(self, number=1, payload=b"voice", timestamp=0):
        sent = self.session.seated and self.session.seat.publications.send_audio(
            number, payload, timestamp, self.server.now
        )
        self.server.pump()
        return sent

    def take_media(self):
        media, self.media = self.media, []
        return media

    def drops(self, reason):
        return self.session.drops[reason]
