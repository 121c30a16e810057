"""What the test vectors are made of. Every key here is a constant and worth nothing."""

from __future__ import annotations

from nacl.bindings import crypto_scalarmult_base

from tcproto import beacon, copies, feedback, identity, membership, messages, packet
from tcproto.errors import Action, ErrorCode
from tcproto.packet import AudioHeader
from tcproto.sender_key import SenderKey


def key(number: int) -> bytes:
    """32 bytes that count up from 16 times ``number``: 10 11 12 … for 1."""
    return bytes((16 * number + i) % 256 for i in range(32))


SERVER_STATIC = key(1)
CLIENT_EPHEMERAL = key(2)
SERVER_EPHEMERAL = key(3)
SERVER_PUBLIC = crypto_scalarmult_base(SERVER_STATIC)
FINGERPRINT = identity.fingerprint(SERVER_PUBLIC)
DEVICE = identity.SigningKey(key(4))
OTHER_DEVICE = identity.SigningKey(key(5))
BOX_PRIVATE = key(6)
OTHER_BOX_PRIVATE = key(7)
BOX_PUBLIC = crypto_scalarmult_base(BOX_PRIVATE)
OTHER_BOX_PUBLIC = crypto_scalarmult_base(OTHER_BOX_PRIVATE)
LIFE = bytes(range(0xA0, 0xB0))
SALT = bytes(range(16))
PASSWORD = "k7m2-9q4x-tz8h-w3vc"
ACCOUNT = "dinas.kesehatan"
ROOM = "rapat"
NAME = "Siti Aminah"
SIGNED_AT = 1_767_225_600_000
UP_KEY, DOWN_KEY, ROOM_KEY, TICKET_KEY = key(8), key(9), key(10), key(11)
SENDER_KEY = SenderKey(3, 0, key(12))
MEDIA_ID, SEALER = 0x5EA70100, 0x5EA1E201


AUDIO_KEY = SENDER_KEY.publication_key(LIFE, 1, 1, 1)
VIDEO_KEY = SENDER_KEY.publication_key(LIFE, 2, 2, 2)
AUDIO_HEADER = AudioHeader(0x0101, 3, 0, 70_000, 0x12345678, 20, 31, voice=True)
SILENT_HEADER = AudioHeader(0x0101, 3, 0, 70_001, 0x12345A38, 60, end_of_talk=True, comfort=True)
BEACON = beacon.Beacon(
    bytes(range(16)),
    SENDER_KEY.number,
    SENDER_KEY.generation,
    SENDER_KEY.commitment(),
    (beacon.ClockMapping(0x0101, 0x12345678, 5_000_000_000),),
)
BEACON_SEAT = beacon.BeaconContext(FINGERPRINT, LIFE, BOX_PUBLIC)


AUDIO_PACKET = packet.seal_packet(AUDIO_HEADER, bytes(range(0x40, 0x40 + 50)), AUDIO_KEY, 16)
COPIES = (copies.Copy(1, 33, True, bytes(range(33))), copies.Copy(3, 127, False, bytes(17)))
SERIES = packet.Series(0x0102, 1, 2, redundant=True)
HEADS = [feedback.Head(SERIES, 0xFFFE), feedback.Head(packet.Series(0x0101), 3)]


REFUSED_LINKS = [
    "http://meet.example/rapat",
    "tc:///rapat",
    "tc://user@meet.example/rapat",
    "tc://meet.example/rapat#top",
    "tc://meet.example:0/rapat",
    "tc://meet.example:65536/rapat",
    "tc://meet.example/rapat?fp=abcd",
    "tc://meet.example/rapat?e2ee=maybe",
    "tc://meet.example/rapat?mode=x",
]


def control_messages() -> list[tuple[object, int]]:
    """Messages and their request ids."""
    room = messages.RoomInfo("rapat mingguan", LIFE, True, 500, title="Rapat mingguan")
    publication = messages.PublicationInfo(
        7, 2, 0x0102, messages.Kind.VIDEO, messages.Source.CAMERA, "vp8", False, 3, 1280, 720
    )
    return [
        (messages.Ok(), 5),
        (messages.Ping(1_000_000), 1),
        (messages.Error(ErrorCode.RATE_LIMITED, "too many requests of this kind", Action.NONE, 250), 9),
        (messages.Close(ErrorCode.SHUTDOWN, "the server is going down", Action.RECONNECT, 3000), 0),
        (messages.Login(ACCOUNT, NAME, DEVICE.public, bytes(64), bytes(range(64))), 2),
        (messages.OpenRoom("rapat mingguan"), 3),
        (
            messages.Joined(
                7, MEDIA_ID, 0, UP_KEY, DOWN_KEY, (messages.RoomKey(SEALER, 0, ROOM_KEY, 1000),), 0x0203,
                messages.Role.SPEAKER, 0x3F,
            ),
            4,
        ),
        (messages.Snapshot(41, room, (member(),), (publication,), True), 0),
        (
            messages.RoomChanges(
                42,
                (
                    messages.Change(messages.ChangeKind.MEMBER_JOINED, member=member()),
                    messages.Change(messages.ChangeKind.UNPUBLISHED, participant=7, number=2),
                    messages.Change(messages.ChangeKind.MEMBER_LEFT, participant=7, code=ErrorCode.KICKED),
                ),
            ),
            0,
        ),
        (messages.Chat(bytes(16), messages.ChatScope.ROOM, "Selamat pagi\nsemua"), 6),
        (messages.Chat(bytes(16), messages.ChatScope.PARTICIPANT, "", 7, b"\x12" + bytes(range(40))), 6),
        (messages.ChatMessage(bytes(16), messages.ChatScope.ROOM, 9, "A / B", "", SIGNED_AT, b"\x11" + bytes(9)), 0),
        (messages.Publish(1, messages.Kind.AUDIO, messages.Source.MICROPHONE, "opus"), 7),
        (messages.Published(1, 0x0101, messages.Caps(160_000, 130)), 7),
        (messages.Subscribe(1, (messages.Source.MICROPHONE,), (messages.StreamChoice(0x0102, max_spatial=1),)), 8),
        (messages.Subscribe(2, (messages.Source.MICROPHONE,), voices=2), 9),
        (messages.Publish(2, messages.Kind.AUDIO, messages.Source.MICROPHONE_LOW, "opus"), 7),
        (messages.Subscribe(3, (messages.Source.MICROPHONE, messages.Source.MICROPHONE_LOW)), 9),
        (
            messages.Subscribe(
                2,
                (messages.Source.CAMERA,),
                (
                    messages.StreamChoice(0x0102, max_spatial=2, max_temporal=0, min_spatial=1),
                    messages.StreamChoice(0x0103, max_spatial=0, by_default=True),
                ),
            ),
            9,
        ),
        (
            messages.Interest(
                (messages.LayerInterest(0x0102, 0, 1, True), messages.LayerInterest(0x0102, 1, 0, False))
            ),
            0,
        ),
        (messages.UpdateRoom(title="Rapat"), 10),
        (messages.LockRoom(True), 15),
        (messages.SetAudioOnly(True), 16),
        (messages.RaiseHand(), 11),
        (messages.LowerHand(7), 12),
        (messages.MuteOther(7, messages.Source.MICROPHONE, True, hard=True), 13),
        (messages.MuteAsked(9, messages.Source.MICROPHONE, True), 0),
        (messages.ChangePassword(SALT, 65_536, 3, DEVICE.public, bytes(range(64))), 14),
        (messages.KeyReceipts((messages.KeyReceipt(7, 3),)), 0),
        (messages.OwnQuality(messages.Quality.GOOD), 0),
        (messages.MemberQualities((messages.MemberQuality(7, messages.Quality.POOR),)), 0),
        (messages.StreamStates((messages.StreamState(0x0102, messages.StreamLimit.NOT_SELECTED),)), 0),
    ]  # fmt: skip


def statement() -> membership.MemberStatement:
    """What the member of the vectors signs."""
    return membership.MemberStatement(FINGERPRINT, LIFE, ROOM, ACCOUNT, NAME, BOX_PUBLIC, SIGNED_AT)


def member() -> messages.Member:
    """The member of the vectors."""
    return messages.Member(
        7, ACCOUNT, "Dinas Kesehatan", NAME, messages.Role.SPEAKER, DEVICE.public, BOX_PUBLIC, SIGNED_AT,
        DEVICE.sign(statement().text()), 0x0203,
    )  # fmt: skip
