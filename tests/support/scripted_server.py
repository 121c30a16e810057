"""A small server: it seats clients, passes key boxes on, opens up datagrams and seals room datagrams."""

from collections import Counter
from dataclasses import replace

from nacl.bindings import crypto_scalarmult_base

from tcclient.core import Settings
from tcproto import messages as m
from tcproto.account import verify_account_login, verify_device_login
from tcproto.control import HandshakeCompleted, Received, Replied
from tcproto.datagram import (
    Item,
    ItemType,
    Kind,
    open_datagram,
    pack_header,
    pack_items,
    pack_relay_time,
    parse_header,
    parse_items,
    seal,
)
from tcproto.errors import ErrorCode
from tcproto.identity import fingerprint
from tcproto.packet import VideoHeader
from tcproto.packet import parse_header as parse_packet
from tcproto.path import PongItem, Position, pack_positions, parse_ping, parse_pong
from tests.support.scripted_client import ACCOUNT_KEY, STATIC, Client

PUBLIC = crypto_scalarmult_base(STATIC)
FINGERPRINT = fingerprint(PUBLIC)
LIFE = b"life of the room"
LIMITS = m.Limits(text_chars=100, text_bytes=200, publications=8, participants=40, requests_per_second=10)
CAPS = m.Caps(bitrate=1_000_000, packets_per_second=500)
KEEP = object()


class Server:
    """One room, and its clients; ``now`` is virtual time, ``pump`` moves bytes until nothing moves."""

    def __init__(self, e2ee=True, settings=None):
        self.now = 100.0
        self.e2ee = e2ee
        self.settings = settings or Settings(fingerprint=FINGERPRINT)
        self.clients = []
        self.info = m.RoomInfo("room", LIFE, e2ee, 40)
        self.members = {}
        self.publications = {}
        self.number = 0
        self.sealer, self.epoch, self.room_key, self.counter = 77, 1, b"k" * 32, 0
        self.forwards = Counter()
        self.forwarded = []
        self.answers = {}
        """Replies in place of the usual ones, by request class; ``KEEP`` for no reply."""
        self.unanswered = {}
        """The number of the newest request without a reply, by class."""
        self.hold_boxes = None
        self.box_log = []
        self.hold_texts = None
        self.chat_log = []
        self.deliver = True

    # Moving

    def connect(self, settings=None, lives=None):
        client = Client(self, len(self.clients) + 1, settings or self.settings, lives)
        self.clients.append(client)
        return client

    def seated(self, count):
        return [self.connect().login() for _ in range(count)]

    def pump(self):
        moved = True
        while moved:
            moved = False
            for client in self.clients:
                data = client.session.control_to_send()
                client.connection.receive_data(data)
                while (event := client.connection.next_event()) is not None:
                    self.handle(client, event)
                back = client.connection.data_to_send()
                if back:
                    client.session.receive_control(back, self.now)
                client.collect()
                datagrams = client.session.datagrams_to_send(self.now)
                client.sent += datagrams
                for datagram in datagrams:
                    if client.udp:
                        self.datagram(client, datagram)
                client.collect()
                moved = moved or bool(data or back or datagrams)

    def advance(self, seconds):
        """Let time pass, from deadline to deadline."""
        end = self.now + seconds
        while True:
            deadlines = [d for c in self.clients if (d := c.session.next_deadline()) is not None]
            self.now = max(self.now, min([end, *deadlines]))
            for client in self.clients:
                if (deadline := client.session.next_deadline()) is not None and deadline <= self.now:
                    client.session.handle_timeout(self.now)
            self.pump()
            if self.now >= end:
                return

    # Control

    def handle(self, client, event):
        if isinstance(event, HandshakeCompleted):
            client.handshake_hash = event.handshake_hash
        elif isinstance(event, Replied):
            client.replies.append(event.reply)
        elif isinstance(event, Received):
            client.received.append(event.message)
            if event.request_id:
                answer = self.answers.get(type(event.message))
                if answer is None:
                    answer = self.answer(client, event.message)
                if answer is KEEP:
                    self.unanswered[type(event.message)] = event.request_id
                else:
                    client.connection.reply(event.request_id, answer)
                self.after(client, event.message, answer)
            else:
                self.notification(client, event.message)

    def answer(self, client, message):
        match message:
            case m.Ping():
                return m.Pong(message.time)
            case m.LoginBegin():
                return m.LoginChallenge(b"s" * 16, 65536, 3, message.account)
            case m.Login():
                device, account = message.device_key, message.account
                proofs = (client.handshake_hash, device, account)
                assert verify_account_login(ACCOUNT_KEY.public, message.account_signature, *proofs)
                assert verify_device_login(device, message.device_signature, client.handshake_hash, account)
                return m.Welcome(1, account, "The Agency", message.name, b"t" * 32, LIMITS)
            case m.OpenRoom():
                return m.Room(self.info)
            case m.Join():
                return self.join(client, message)
            case m.Publish():
                stream = 10 * client.participant + message.number
                return m.Published(message.number, stream, CAPS)
            case m.Chat():
                return m.ChatAccepted(5)
        return m.Ok()

    def join(self, client, message):
        client.participant = len(self.members) + 1 + self.number
        member = m.Member(
            client.participant,
            "agency",
            "The Agency",
            client.name,
            m.Role.SPEAKER,
            client.device.public,
            message.box_key,
            message.signed_at,
            message.signature,
            10 * client.participant,
        )
        self.members[client.participant] = member
        key = m.RoomKey(self.sealer, self.epoch, self.room_key, self.counter)
        return m.Joined(
            client.participant,
            client.media_id,
            client.epoch,
            client.up_keys[client.epoch],
            client.down_key,
            (key,),
            member.beacon_stream,
            m.Role.SPEAKER,
            127,
        )

    def after(self, client, message, answer):
        match message:
            case m.Join() if isinstance(answer, m.Joined):
                member = self.members[client.participant]
                self.change(m.Change(m.ChangeKind.MEMBER_JOINED, member=member), but=client)
                self.snapshot(client)
            case m.GetSnapshot() if isinstance(answer, m.Ok):
                self.snapshot(client)
            case m.Publish() if isinstance(answer, m.Published):
                info = m.PublicationInfo(
                    client.participant,
                    message.number,
                    answer.stream,
                    message.kind,
                    message.source,
                    message.codec,
                    message.muted,
                    message.layers,
                    stills=message.stills,
                )
                self.publications[client.participant, message.number] = info
                self.change(m.Change(m.ChangeKind.PUBLISHED, publication=info))
            case m.Mute():
                key = client.participant, message.number
                info = self.publications[key] = replace(self.publications[key], muted=message.muted)
                self.change(m.Change(m.ChangeKind.PUBLICATION_UPDATED, publication=info))
            case m.Unpublish():
                del self.publications[client.participant, message.number]
                what = m.ChangeKind.UNPUBLISHED
                self.change(m.Change(what, participant=client.participant, number=message.number))
            case m.Leave():
                self.remove(client)
            case m.Chat() if isinstance(answer, m.ChatAccepted):
                passed = m.ChatMessage(
                    message.message_id, message.scope, client.participant, "A / B", message.text, 5, message.sealed
                )
                self.chat_log.append((message, passed))
                if self.hold_texts is None:
                    self.pass_text(client, message, passed)
                else:
                    self.hold_texts.append(passed)

    def pass_text(self, client, message, passed):
        for other in self.clients:
            if other is not client and message.participant in (0, other.participant):
                other.notify(passed)

    def remove(self, client, code=None):
        participant, client.participant = client.participant, None
        del self.members[participant]
        self.publications = {key: info for key, info in self.publications.items() if key[0] != participant}
        self.change(m.Change(m.ChangeKind.MEMBER_LEFT, participant=participant, code=code))

    def evict(self, client):
        client.notify(m.Evicted(ErrorCode.KICKED, "out"))
        self.remove(client, ErrorCode.KICKED)

    def notification(self, client, message):
        match message:
            case m.KeyBoxes():
                for box in message.boxes:
                    passed = (box.participant, m.AddressedBox(client.participant, box.box))
                    self.box_log.append(passed)
                    if self.hold_boxes is not None:
                        self.hold_boxes.append(passed)
                    else:
                        self.pass_box(*passed)
            case m.KeyReceipts():
                for receipt in message.receipts:
                    to = self.seat_of(receipt.participant)
                    if to is not None:
                        to.notify(m.KeyReceipts((m.KeyReceipt(client.participant, receipt.key),)))

    def pass_box(self, participant, box):
        to = self.seat_of(participant)
        if to is not None:
            to.notify(m.KeyBoxes((box,)))

    def seat_of(self, participant):
        return next((c for c in self.clients if c.participant == participant), None)

    def change(self, change, but=None):
        self.number += 1
        for client in self.clients:
            if client.participant is not None and client is not but:
                client.notify(m.RoomChanges(self.number, (change,)))

    def snapshot(self, client):
        """In two pages."""
        members, publications = tuple(self.members.values()), tuple(self.publications.values())
        client.notify(m.Snapshot(self.number, self.info, members[:1], (), False))
        client.notify(m.Snapshot(self.number, self.info, members[1:], publications, True))

    # Media

    def datagram(self, client, data):
        header = parse_header(data)
        assert (header.kind, header.id) == (Kind.UP, client.media_id)
        plaintext = open_datagram(data, client.up_keys[header.epoch])
        client.highest = max(client.highest, header.counter)
        client.count += 1
        for type_, value in parse_items(plaintext):
            if type_ == ItemType.PING:
                number, time = parse_ping(value)
                pong = PongItem(number, time, int(self.now * 1e6) & 0xFFFFFFFF, client.highest, client.count)
                challenge = Item(ItemType.PATH_CHALLENGE, b"12345678")
                positions = Item(ItemType.POSITIONS, pack_positions([Position(self.sealer, self.counter)]))
                proof = [] if client.proven else [challenge]
                self.down(client, [Item(ItemType.PONG, pong.pack()), *proof, positions])
            elif type_ == ItemType.PACKET:
                self.forward(client, value)
            elif type_ == ItemType.PATH_RESPONSE:
                assert value == b"12345678"
                client.proven = True
            elif type_ == ItemType.PONG:
                client.replies.append(parse_pong(value))

    def down(self, client, items):
        data = self.seal_down(client, pack_items(items))
        client.session.receive_datagram(data, self.now)

    def seal_down(self, client, plaintext):
        counter = client.counters[client.epoch]
        client.counters[client.epoch] += 1
        return seal(pack_header(Kind.DOWN, client.epoch, client.media_id, counter), plaintext, client.down_key)

    def forward(self, client, packet, item=ItemType.PACKET, held=b""):
        header = parse_packet(packet)
        layer = (header.spatial, header.temporal) if isinstance(header, VideoHeader) else (0, 0)
        series = (header.stream, *layer)
        value = self.forwards[series].to_bytes(2, "big") + held + packet
        self.forwards[series] = self.forwards[series] + 1 & 0xFFFF
        data = self.seal_room(pack_relay_time(int(self.now * 1e6)) + pack_items([Item(item, value)]))
        self.forwarded.append(data)
        if self.deliver:
            for other in self.clients:
                if other is not client and other.participant is not None:
                    other.session.receive_datagram(data, self.now)

    def seal_room(self, plaintext, counter=None):
        if counter is None:
            counter, self.counter = self.counter, self.counter + 1
        return seal(pack_header(Kind.ROOM, self.epoch, self.sealer, counter), plaintext, self.room_key)
