"""Makes the test vectors from fixed inputs: ``python -m tests.vectors.make`` writes them and the table in PROTOCOL.md.

Byte strings are hexadecimal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tcproto import account, codec, copies, datagram, identity, membership, messages, path
from tcproto.control import ControlConnection, HandshakeCompleted
from tcproto.datagram import Item, ItemType, Kind
from tcproto.document import DOCUMENT, replaced
from tcproto.errors import ErrorCode
from tcproto.link import Link
from tcproto.sender_key import (
    KIND_CODES,
    SOURCE_CODES,
    BoxContext,
    FirstSequence,
    OpenedBox,
    Party,
    seal_key_box,
    shared_key,
)
from tests.vectors import generations, items, names, packets, refusals, stream, texts, windows
from tests.vectors.inputs import (
    ACCOUNT,
    AUDIO_PACKET,
    BOX_PRIVATE,
    BOX_PUBLIC,
    CLIENT_EPHEMERAL,
    COPIES,
    DEVICE,
    DOWN_KEY,
    FINGERPRINT,
    LIFE,
    MEDIA_ID,
    NAME,
    OTHER_BOX_PRIVATE,
    OTHER_BOX_PUBLIC,
    OTHER_DEVICE,
    PASSWORD,
    REFUSED_LINKS,
    ROOM,
    ROOM_KEY,
    SALT,
    SEALER,
    SENDER_KEY,
    SERVER_EPHEMERAL,
    SERVER_PUBLIC,
    SERVER_STATIC,
    SIGNED_AT,
    TICKET_KEY,
    UP_KEY,
    control_messages,
    key,
    statement,
)
from tests.vectors.plain import Vectors, plain

DIRECTORY = Path(__file__).parent


def make() -> dict[str, Vectors]:
    """All vectors by the name of their file."""
    handshake = _handshake()
    handshake_hash = bytes.fromhex(handshake["handshake_hash"])
    return {
        "handshake": handshake,
        "login": _login(handshake_hash),
        "messages": {"messages": [_message(message, request) for message, request in control_messages()]},
        "links": {"links": _links(), "refused": REFUSED_LINKS},
        "keys": _keys(),
        "packets": {"packets": packets.packets()},
        "beacons": packets.beacons(),
        "items": {"items": _items()},
        "datagrams": {"datagrams": _datagrams()},
        "texts": texts.make(),
        "names": names.make(),
        "refusals": refusals.make(),
        "windows": windows.make(),
        "stream": stream.make(),
        "generations": generations.make(),
    }


def _handshake() -> Vectors:
    client = ControlConnection.client(software="vector client", ephemeral_private=CLIENT_EPHEMERAL)
    server = ControlConnection.server(SERVER_STATIC, software="vector server", ephemeral_private=SERVER_EPHEMERAL)
    first = client.data_to_send()
    server.receive_data(first)
    completed = server.next_event()
    assert isinstance(completed, HandshakeCompleted)
    second = server.data_to_send()
    client.receive_data(second)
    client.next_event()
    client.request(messages.LoginBegin(ACCOUNT))
    client_frame = client.data_to_send()
    server.receive_data(client_frame)
    server.next_event()
    server.reply(1, messages.LoginChallenge(SALT, 65536, 2, ACCOUNT))
    server_frame = server.data_to_send()
    server.close(ErrorCode.LOGIN_TIMEOUT)
    return plain(
        {
            "server_static_private": SERVER_STATIC,
            "server_static_public": SERVER_PUBLIC,
            "client_ephemeral_private": CLIENT_EPHEMERAL,
            "server_ephemeral_private": SERVER_EPHEMERAL,
            "client_hello": codec.pack(codec.encode_fields(messages.ClientHello((1,), (), "vector client"))),
            "server_hello": codec.pack(codec.encode_fields(messages.ServerHello(1, (1,), (), "vector server"))),
            "first_frame": first,
            "second_frame": second,
            "handshake_hash": completed.handshake_hash,
            "login_begin": messages.encode(messages.LoginBegin(ACCOUNT), 1),
            "client_frame": client_frame,
            "login_challenge": messages.encode(messages.LoginChallenge(SALT, 65536, 2, ACCOUNT), 1),
            "server_frame": server_frame,
            "close_frame": server.data_to_send(),
            "fingerprint": FINGERPRINT,
            "fingerprint_text": identity.format_fingerprint(FINGERPRINT),
        }
    )


def _login(handshake_hash: bytes) -> Vectors:
    salt = account.effective_salt(SERVER_PUBLIC, ACCOUNT, SALT)
    key_of_account = account.derive_account_key(PASSWORD, salt, 64 << 20, 2)
    new = account.Challenge(bytes(range(16, 32)), 64 << 20, 3)
    new_public = identity.SigningKey(key(13)).public
    return plain(
        {
            "account": ACCOUNT,
            "password": PASSWORD,
            "salt": SALT,
            "memory_kib": 65536,
            "passes": 2,
            "effective_salt": salt,
            "account_seed": key_of_account.seed,
            "account_public": key_of_account.public,
            "device_seed": DEVICE.seed,
            "device_public": DEVICE.public,
            "handshake_hash": handshake_hash,
            "account_signature": account.sign_account_login(key_of_account, handshake_hash, DEVICE.public, ACCOUNT),
            "device_signature": account.sign_device_login(DEVICE, handshake_hash, ACCOUNT),
            "new_public": new_public,
            "new_salt": new.salt,
            "new_memory_bytes": new.memory_bytes,
            "new_passes": new.passes,
            "change_signature": account.sign_account_change(key_of_account, handshake_hash, ACCOUNT, new_public, new),
        }
    )


def _message(message: object, request_id: int) -> Vectors:
    return {
        "request_id": request_id,
        "fields": plain(codec.encode_fields(message)),
        "t": messages.row_of(type(message)).name,
        "bytes": messages.encode(message, request_id).hex(),
    }


def _links() -> list[Vectors]:
    links = [
        Link("meet.example", room="rapat mingguan", fingerprint=FINGERPRINT),
        Link("meet.example", 7500, "rapat", e2ee=False),
        Link("2001:db8::1", 7500, "musyawarah/50 %", FINGERPRINT, False),
        Link("192.0.2.7"),
    ]
    return [
        {
            "text": str(link),
            "host": link.host,
            "port": link.port,
            "room": link.room,
            "fingerprint": plain(link.fingerprint),
            "e2ee": link.e2ee,
        }
        for link in links
    ]


def _keys() -> Vectors:
    sender, recipient = Party(DEVICE.public, BOX_PUBLIC), Party(OTHER_DEVICE.public, OTHER_BOX_PUBLIC)
    firsts = (FirstSequence(0, 0, 4), FirstSequence(1, 0, 70_000), FirstSequence(2, 1, 9))
    box = seal_key_box(
        BoxContext(LIFE, ROOM, True, sender, recipient),
        OpenedBox(SENDER_KEY, firsts),
        shared_key(BOX_PRIVATE, OTHER_BOX_PUBLIC),
        bytes(range(24)),
    )
    publications = [
        (1, KIND_CODES[messages.Kind.AUDIO], SOURCE_CODES[messages.Source.MICROPHONE]),
        (2, KIND_CODES[messages.Kind.VIDEO], SOURCE_CODES[messages.Source.CAMERA]),
    ]
    seats = [(ACCOUNT, DEVICE.public, BOX_PUBLIC), ("bappeda", OTHER_DEVICE.public, OTHER_BOX_PUBLIC)]
    return plain(
        {
            "life": LIFE,
            "room": ROOM,
            "room_digest": membership.room_hash(ROOM),
            "fingerprint": FINGERPRINT,
            "account": ACCOUNT,
            "name": NAME,
            "signed_at": SIGNED_AT,
            "device_seed": DEVICE.seed,
            "device_public": DEVICE.public,
            "box_private": BOX_PRIVATE,
            "box_public": BOX_PUBLIC,
            "member_statement": statement().text(),
            "member_signature": DEVICE.sign(statement().text()),
            "key_number": SENDER_KEY.number,
            "sender_keys": [SENDER_KEY.ratcheted(generation).key for generation in range(4)],
            "commitment": SENDER_KEY.commitment(),
            "publication_keys": [
                {
                    "generation": generation,
                    "publication": list(publication),
                    "key": SENDER_KEY.ratcheted(generation).publication_key(LIFE, *publication),
                }
                for generation in (0, 2)
                for publication in publications
            ],
            "other_account": "bappeda",
            "other_device_public": OTHER_DEVICE.public,
            "other_box_private": OTHER_BOX_PRIVATE,
            "other_box_public": OTHER_BOX_PUBLIC,
            "first_sequences": [list(first) for first in firsts],
            "key_box": box,
            "member_set_hash": membership.member_set_hash(LIFE, ROOM, seats),
            "safety_code": membership.safety_code(LIFE, ROOM, True, FINGERPRINT, [seat[:2] for seat in seats]),
        }
    )


def _items() -> list[Vectors]:
    return [
        {"type": int(type_), "name": type_.name.lower(), "fields": plain(fields), "value": value.hex()}
        for type_, fields, value in items.cases()
    ]


def _datagrams() -> list[Vectors]:
    ping = path.PingItem(7, 0x11223344)
    pong = path.PongItem(7, 0x11223344, 0x55667788, 5, 5)
    plain_packet = (1001).to_bytes(2, "big") + AUDIO_PACKET
    two_copies = copies.pack_copies(COPIES)
    audio_up = [Item(ItemType.PACKET, AUDIO_PACKET), Item(ItemType.COPIES, two_copies)]
    unknown = [Item(99, b"skipped"), Item(ItemType.PATH_RESPONSE, bytes(range(8)))]
    relay_time = datagram.pack_relay_time(0x01020304)
    room = [Item(ItemType.PACKET, plain_packet)]
    held = [
        Item(ItemType.HELD_REDUNDANT_PACKET, b"\xff\xff\x00\x50" + AUDIO_PACKET),
        Item(ItemType.COPIES, two_copies),
    ]
    cases: list[tuple[str, Kind, int, int, int, bytes, bytes, list[Item], bool]] = [
        ("up: packet and copies", Kind.UP, 0, MEDIA_ID, 1, UP_KEY, b"", audio_up, True),
        ("up: unknown item, path response, no open end", Kind.UP, 0, MEDIA_ID, 2, UP_KEY, b"", unknown, False),
        ("up: ping and padding under a probe ticket", Kind.UP, 0, MEDIA_ID, 0, TICKET_KEY, b"",
            [Item(ItemType.PING, ping.pack()), Item(ItemType.PADDING, bytes(16))], True),
        ("down: pong under the same probe ticket", Kind.DOWN, 0, MEDIA_ID, 0, TICKET_KEY, b"",
            [Item(ItemType.PONG, pong.pack())], True),
        ("down: pong and path challenge", Kind.DOWN, 1, MEDIA_ID, 2**40, DOWN_KEY, b"",
            [Item(ItemType.PONG, pong.pack()), Item(ItemType.PATH_CHALLENGE, bytes(range(8)))], True),
        ("room: packet", Kind.ROOM, 0, SEALER, 1000, ROOM_KEY, relay_time, room, True),
        ("room: held packet of the redundant variant", Kind.ROOM, 255, SEALER, 1001, ROOM_KEY, relay_time, held, True),
        ("down: nothing", Kind.DOWN, 1, MEDIA_ID, 3, DOWN_KEY, b"", [], True),
    ]  # fmt: skip
    return [
        {
            "name": name,
            "kind": int(kind),
            "epoch": epoch,
            "id": ident,
            "counter": counter,
            "key": sealing.hex(),
            "relay_time": int.from_bytes(before, "big") if before else None,
            "items": [{"type": int(item.type), "value": item.value.hex()} for item in items],
            "open_end": open_end,
            "datagram": datagram.seal(
                datagram.pack_header(kind, epoch, ident, counter),
                before + datagram.pack_items(items, open_end=open_end),
                sealing,
            ).hex(),
        }
        for name, kind, epoch, ident, counter, sealing, before, items, open_end in cases
    ]


def text_of(vectors: Vectors) -> str:
    """A vector file."""
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


def inline(vectors: Mapping[str, Vectors]) -> str:
    """The vectors that stand in PROTOCOL.md itself."""
    handshake, login, keys = vectors["handshake"], vectors["login"], vectors["keys"]
    lines = [f"{name} = {handshake[name]}" for name in handshake]
    lines += [f"{name} = {login[name]}" for name in login if name not in handshake]
    lines += [
        f"{name} = {value}"
        for name, value in keys.items()
        if name not in handshake and name not in login and isinstance(value, str | int)
    ]
    lines += [f"sender_key[{i}] = {value}" for i, value in enumerate(keys["sender_keys"])]
    lines += [
        f"publication_key{(entry['generation'], *entry['publication'])} = {entry['key']}"
        for entry in keys["publication_keys"]
    ]
    lines += [f"text_key({entry['generation']}) = {entry['text_key']}" for entry in vectors["texts"]["to_room"][:2]]
    lines += [f"text to the room, {entry['text']!a} = {entry['sealed']}" for entry in vectors["texts"]["to_room"][:2]]
    lines += [f"private text, {entry['text']!a} = {entry['sealed']}" for entry in vectors["texts"]["to_one"][1:]]
    lines += [f"message {entry['t']} = {entry['bytes']}" for entry in vectors["messages"]["messages"][:4]]
    lines += [f"packet, {entry['name']} = {entry['packet']}" for entry in vectors["packets"]["packets"][:3]]
    lines += [f"beacon, {entry['name']} = {entry['packet']}" for entry in vectors["beacons"]["beacons"]]
    lines += [f"item {entry['name']} = {entry['value']}" for entry in vectors["items"]["items"]]
    lines += [f"datagram, {entry['name']} = {entry['datagram']}" for entry in vectors["datagrams"]["datagrams"]]
    return "```\n" + "\n".join(lines) + "\n```"


def main() -> None:
    """Write the files and the document's table."""
    vectors = make()
    for name, content in vectors.items():
        (DIRECTORY / f"{name}.json").write_text(text_of(content), encoding="utf-8")
    document = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replaced(document, {"vectors": inline(vectors)}), encoding="utf-8")


if __name__ == "__main__":
    main()
