"""The vectors of PROTOCOL.md: as tcproto makes them, as it reads them, and as the second reader does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nacl.signing import SigningKey

from tcproto import account, codec, copies, datagram, feedback, identity, membership, messages, packet, path, text
from tcproto.beacon import Beacon, BeaconContext, ClockMapping, open_beacon
from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.document import DOCUMENT, replaced
from tcproto.errors import CryptoFailure
from tcproto.link import parse_link
from tcproto.sender_key import BoxContext, OpenedBox, Party, SenderKey, open_key_box, shared_key
from tests.tcproto import second_reader
from tests.vectors import inputs, make
from tests.vectors.plain import plain

FILES = {name: json.loads((make.DIRECTORY / f"{name}.json").read_text(encoding="utf-8")) for name in make.make()}
HANDSHAKE, LOGIN, KEYS, TEXTS, BEACONS = (FILES[name] for name in ("handshake", "login", "keys", "texts", "beacons"))
unhex = bytes.fromhex


def named(entries: list[dict[str, Any]], field: str = "name") -> Any:
    return pytest.mark.parametrize("vector", [pytest.param(entry, id=entry[field]) for entry in entries])


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return make.make()


@pytest.mark.parametrize("name", FILES)
def test_file_is_what_tcproto_makes(name: str, made: dict[str, Any]) -> None:
    content = (make.DIRECTORY / f"{name}.json").read_text(encoding="utf-8")
    assert content == make.text_of(made[name]), "stale: run python -m tests.vectors.make"


def test_document_has_the_vectors(made: dict[str, Any]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replaced(text, {"vectors": make.inline(made)}) == text, "stale: run python -m tests.vectors.make"


class TestTcprotoReads:
    def test_handshake(self) -> None:
        client = ControlConnection.client(
            software="vector client", ephemeral_private=unhex(HANDSHAKE["client_ephemeral_private"])
        )
        assert client.data_to_send().hex() == HANDSHAKE["first_frame"]
        client.receive_data(unhex(HANDSHAKE["second_frame"]))
        completed = client.next_event()
        assert isinstance(completed, HandshakeCompleted)
        assert completed.handshake_hash.hex() == HANDSHAKE["handshake_hash"]
        assert completed.remote_static.hex() == HANDSHAKE["server_static_public"]
        client.request(messages.LoginBegin(LOGIN["account"]))
        assert client.data_to_send().hex() == HANDSHAKE["client_frame"]
        client.receive_data(unhex(HANDSHAKE["server_frame"]) + unhex(HANDSHAKE["close_frame"]))
        replied, closed = client.next_event(), client.next_event()
        assert isinstance(replied, Replied)
        assert replied.reply.salt.hex() == LOGIN["salt"]
        assert isinstance(closed, Received)
        assert isinstance(closed.message, messages.Close)

    def test_fingerprint(self) -> None:
        assert identity.parse_fingerprint(HANDSHAKE["fingerprint_text"]).hex() == HANDSHAKE["fingerprint"]

    def test_login(self) -> None:
        handshake_hash, device = unhex(LOGIN["handshake_hash"]), unhex(LOGIN["device_public"])
        public, name = unhex(LOGIN["account_public"]), LOGIN["account"]
        new = account.Challenge(unhex(LOGIN["new_salt"]), LOGIN["new_memory_bytes"], LOGIN["new_passes"])
        assert account.verify_account_login(public, unhex(LOGIN["account_signature"]), handshake_hash, device, name)
        assert account.verify_device_login(device, unhex(LOGIN["device_signature"]), handshake_hash, name)
        assert account.verify_account_change(
            public, unhex(LOGIN["change_signature"]), handshake_hash, name, unhex(LOGIN["new_public"]), new
        )

    @named(FILES["messages"]["messages"], "t")
    def test_message(self, vector: dict[str, Any]) -> None:
        message, request_id = messages.decode(unhex(vector["bytes"]))
        assert request_id == vector["request_id"]
        assert messages.row_of(type(message)).name == vector["t"]
        assert messages.encode(message, request_id).hex() == vector["bytes"]

    @named(FILES["links"]["links"], "text")
    def test_link(self, vector: dict[str, Any]) -> None:
        link = parse_link(vector["text"])
        assert (link.host, link.port, link.room, link.e2ee) == tuple(
            vector[k] for k in ("host", "port", "room", "e2ee")
        )
        assert plain(link.fingerprint) == vector["fingerprint"]

    @pytest.mark.parametrize("text", FILES["links"]["refused"])
    def test_refused_link(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            parse_link(text)

    def test_member(self) -> None:
        statement = membership.MemberStatement(
            unhex(KEYS["fingerprint"]), unhex(KEYS["life"]), KEYS["room"], KEYS["account"], KEYS["name"],
            unhex(KEYS["box_public"]), KEYS["signed_at"],
        )  # fmt: skip
        signature, device = unhex(KEYS["member_signature"]), unhex(KEYS["device_public"])
        assert membership.verify_member(statement, signature, device)
        assert not membership.verify_member(statement._replace(name="Siti"), signature, device)

    def test_key_box(self) -> None:
        sender = Party(unhex(KEYS["device_public"]), unhex(KEYS["box_public"]))
        recipient = Party(unhex(KEYS["other_device_public"]), unhex(KEYS["other_box_public"]))
        context = BoxContext(unhex(KEYS["life"]), KEYS["room"], True, sender, recipient)
        shared = shared_key(unhex(KEYS["other_box_private"]), sender.box_key)
        opened = open_key_box(context, unhex(KEYS["key_box"]), shared)
        assert opened == OpenedBox(
            SenderKey(KEYS["key_number"], 0, unhex(KEYS["sender_keys"][0])), opened.first_sequences
        )
        assert plain([list(first) for first in opened.first_sequences]) == KEYS["first_sequences"]
        wrong = [
            context._replace(life=bytes(16)),
            context._replace(room="another room"),
            context._replace(e2ee=False),
            context._replace(sender=recipient, recipient=sender),
            context._replace(sender=sender._replace(device_key=bytes(32))),
        ]
        for other in wrong:
            with pytest.raises(CryptoFailure):
                open_key_box(other, unhex(KEYS["key_box"]), shared)

    def test_texts(self) -> None:
        life, shared = unhex(KEYS["life"]), shared_key(unhex(KEYS["other_box_private"]), unhex(KEYS["box_public"]))
        sender = Party(unhex(KEYS["device_public"]), unhex(KEYS["box_public"]))
        recipient = Party(unhex(KEYS["other_device_public"]), unhex(KEYS["other_box_public"]))
        assert membership.room_hash(TEXTS["room"]).hex() == TEXTS["room_hash"]
        for vector in TEXTS["to_room"]:
            sealed = unhex(vector["sealed"])
            header = text.parse_text_header(sealed)
            key = text.text_key(inputs.SENDER_KEY.ratcheted(header.generation), life, sender)
            note = text.open_room_text(sealed, key)
            found = plain(header) | plain(note) | {"text_key": key.hex(), "sealed": sealed.hex()}
            assert found == vector
        context = text.TextContext(life, unhex(TEXTS["room_hash"]), sender, recipient)
        for vector in TEXTS["to_one"]:
            sequence, note = text.open_private_text(context, unhex(vector["sealed"]), shared)
            assert {"sequence": sequence, **plain(note), "sealed": vector["sealed"]} == vector

    @named(FILES["packets"]["packets"])
    def test_packet(self, vector: dict[str, Any]) -> None:
        data = unhex(vector["packet"])
        header = packet.parse_header(data)
        assert plain(header) == vector["header"]
        key = None if vector["key"] is None else unhex(vector["key"])
        assert packet.open_packet(data, key).hex() == vector["payload"]

    @named(BEACONS["beacons"])
    def test_beacon(self, vector: dict[str, Any]) -> None:
        context = BeaconContext(*(unhex(BEACONS[name]) for name in ("fingerprint", "life", "box_public")))
        told = vector["beacon"]
        assert open_beacon(unhex(vector["packet"]), context, unhex(BEACONS["device_public"])) == Beacon(
            unhex(told["member_set"]),
            told["key_number"],
            told["generation"],
            unhex(told["commitment"]),
            tuple(ClockMapping(**clock) for clock in told["clocks"]),
        )
        with pytest.raises(CryptoFailure):
            open_beacon(unhex(vector["packet"]), context._replace(life=bytes(16)), unhex(BEACONS["device_public"]))

    @named(FILES["items"]["items"])
    def test_item(self, vector: dict[str, Any]) -> None:
        parsed = ITEM_PARSERS[vector["type"]](unhex(vector["value"]))
        if vector["name"] == "heads":
            parsed = dict(zip(("sealer", "heads"), parsed, strict=True))
        if vector["name"] == "arrival_request":
            parsed = {"ms": round(1000 * parsed)}
        if vector["name"] == "urgent":
            message, request_id = parsed
            parsed = {"t": messages.row_of(type(message)).name, "id": request_id, **codec.encode_fields(message)}
        assert plain(parsed) == vector["fields"]

    @named(FILES["datagrams"]["datagrams"])
    def test_datagram(self, vector: dict[str, Any]) -> None:
        data = unhex(vector["datagram"])
        header = datagram.parse_header(data)
        assert header == (1, vector["kind"], vector["epoch"], vector["id"], vector["counter"])
        plaintext = datagram.open_datagram(data, unhex(vector["key"]))
        start = 0 if vector["relay_time"] is None else datagram.RELAY_TIME_SIZE
        if start:
            assert datagram.parse_relay_time(plaintext) == vector["relay_time"]
        assert plain(datagram.parse_items(plaintext, start)) == vector["items"]


ITEM_PARSERS: dict[int, Any] = {
    datagram.ItemType.PING: path.parse_ping,
    datagram.ItemType.PONG: path.parse_pong,
    datagram.ItemType.POSITIONS: path.parse_positions,
    datagram.ItemType.COPIES: copies.parse_copies,
    datagram.ItemType.ARRIVAL_REQUEST: feedback.parse_arrival_request,
    datagram.ItemType.ARRIVAL_REPORT: feedback.parse_arrival_report,
    datagram.ItemType.RECEIVER_REPORT: feedback.parse_receiver_report,
    datagram.ItemType.HEADS: feedback.parse_heads,
    datagram.ItemType.NOT_SENT: feedback.parse_not_sent,
    datagram.ItemType.RETRANSMISSION_REQUEST: feedback.parse_retransmission_request,
    datagram.ItemType.BANDWIDTH_PROBE: path.parse_probe_request,
    datagram.ItemType.RESEND_REQUEST: feedback.parse_resend_request,
    datagram.ItemType.URGENT: messages.decode,
}


class TestSecondReader:
    def test_handshake(self) -> None:
        channel = second_reader.Channel(
            {"versions": [1], "features": [], "software": "vector client"}, unhex(HANDSHAKE["client_ephemeral_private"])
        )
        assert channel.first.hex() == HANDSHAKE["first_frame"]
        hello = channel.finish(second_reader.cut_frames(unhex(HANDSHAKE["second_frame"]))[0])
        assert hello == {"version": 1, "versions": [1], "features": [], "software": "vector server"}
        assert channel.handshake_hash.hex() == HANDSHAKE["handshake_hash"]
        assert channel.server_static.hex() == HANDSHAKE["server_static_public"]
        assert channel.seal(b"\0" + unhex(HANDSHAKE["login_begin"])).hex() == HANDSHAKE["client_frame"]
        frames = second_reader.cut_frames(unhex(HANDSHAKE["server_frame"] + HANDSHAKE["close_frame"]))
        challenge, close = [second_reader.read_message(channel.open(frame)[1:]) for frame in frames]
        assert challenge == {
            "t": "login_challenge",
            "id": 1,
            "salt": unhex(LOGIN["salt"]),
            "memory_kib": 65536,
            "passes": 2,
            "account": LOGIN["account"],
        }
        assert (close["t"], close["code"], close["action"]) == ("close", "login_timeout", "reconnect")

    def test_fingerprint(self) -> None:
        value = second_reader.fingerprint(unhex(HANDSHAKE["server_static_public"]))
        assert value.hex() == HANDSHAKE["fingerprint"]
        assert second_reader.fingerprint_text(value) == HANDSHAKE["fingerprint_text"]

    def test_login(self) -> None:
        handshake_hash, device, name = unhex(LOGIN["handshake_hash"]), unhex(LOGIN["device_public"]), LOGIN["account"]
        salt = second_reader.effective_salt(unhex(HANDSHAKE["server_static_public"]), name, unhex(LOGIN["salt"]))
        assert salt.hex() == LOGIN["effective_salt"]
        key = second_reader.account_key(LOGIN["password"], salt, LOGIN["memory_kib"], LOGIN["passes"])
        assert bytes(key).hex() == LOGIN["account_seed"]
        assert bytes(key.verify_key).hex() == LOGIN["account_public"]
        login = second_reader.account_login_text(handshake_hash, device, name)
        assert key.sign(login).signature.hex() == LOGIN["account_signature"]
        device_key = SigningKey(unhex(LOGIN["device_seed"]))
        login = second_reader.device_login_text(handshake_hash, name)
        assert device_key.sign(login).signature.hex() == LOGIN["device_signature"]
        change = second_reader.account_change_text(
            handshake_hash, name, unhex(LOGIN["new_public"]), unhex(LOGIN["new_salt"]), LOGIN["new_memory_bytes"],
            LOGIN["new_passes"],
        )  # fmt: skip
        assert key.sign(change).signature.hex() == LOGIN["change_signature"]

    @named(FILES["messages"]["messages"], "t")
    def test_message(self, vector: dict[str, Any]) -> None:
        message = second_reader.read_message(unhex(vector["bytes"]))
        assert message.pop("t") == vector["t"]
        assert message.pop("id", 0) == vector["request_id"]
        assert plain(message) == vector["fields"]

    @named(FILES["links"]["links"], "text")
    def test_link(self, vector: dict[str, Any]) -> None:
        assert second_reader.read_link(vector["text"]) == {k: v for k, v in vector.items() if k != "text"}

    @pytest.mark.parametrize("text", FILES["links"]["refused"])
    def test_refused_link(self, text: str) -> None:
        with pytest.raises((second_reader.Refused, ValueError)):
            second_reader.read_link(text)

    def test_member(self) -> None:
        text = second_reader.member_text(
            unhex(KEYS["fingerprint"]), unhex(KEYS["life"]), KEYS["room"], KEYS["account"], KEYS["name"],
            unhex(KEYS["box_public"]), KEYS["signed_at"],
        )  # fmt: skip
        assert text.hex() == KEYS["member_statement"]
        assert second_reader.verifies(unhex(KEYS["device_public"]), text, unhex(KEYS["member_signature"]))
        assert not second_reader.verifies(unhex(KEYS["device_public"]), text + b"\0", unhex(KEYS["member_signature"]))

    def test_sender_keys(self) -> None:
        keys = [unhex(key) for key in KEYS["sender_keys"]]
        assert [second_reader.ratchet(key) for key in keys[:-1]] == keys[1:]
        assert second_reader.commitment(keys[0]).hex() == KEYS["commitment"]
        for entry in KEYS["publication_keys"]:
            key = second_reader.publication_key(keys[entry["generation"]], unhex(KEYS["life"]), *entry["publication"])
            assert key.hex() == entry["key"]

    def test_key_box(self) -> None:
        opened = second_reader.open_key_box(
            unhex(KEYS["key_box"]), unhex(KEYS["other_box_private"]), unhex(KEYS["box_public"])
        )
        assert plain(opened) == {
            "life": KEYS["life"],
            "room": KEYS["room_digest"],
            "device": KEYS["device_public"],
            "box_key": KEYS["box_public"],
            "to_device": KEYS["other_device_public"],
            "to_box_key": KEYS["other_box_public"],
            "mode": 1,
            "number": KEYS["key_number"],
            "generation": 0,
            "key": KEYS["sender_keys"][0],
            "first_sequences": KEYS["first_sequences"],
        }

    def test_member_set_and_safety_code(self) -> None:
        seats = [
            (KEYS["account"], unhex(KEYS["device_public"]), unhex(KEYS["box_public"])),
            (KEYS["other_account"], unhex(KEYS["other_device_public"]), unhex(KEYS["other_box_public"])),
        ]
        life = unhex(KEYS["life"])
        assert second_reader.member_set_hash(life, KEYS["room"], seats).hex() == KEYS["member_set_hash"]
        code = second_reader.safety_code(
            life, KEYS["room"], True, unhex(KEYS["fingerprint"]), [seat[:2] for seat in seats]
        )
        assert code == KEYS["safety_code"]

    def test_texts(self) -> None:
        device, box_key = unhex(KEYS["device_public"]), unhex(KEYS["box_public"])
        assert second_reader.room_hash(TEXTS["room"]).hex() == TEXTS["room_hash"]
        for vector in TEXTS["to_room"]:
            sender_key = unhex(KEYS["sender_keys"][vector["generation"]])
            key = second_reader.text_key(sender_key, unhex(KEYS["life"]), device, box_key)
            opened = second_reader.open_room_text(unhex(vector["sealed"]), key)
            assert opened | {"text_key": key.hex(), "sealed": vector["sealed"]} == vector
        names = {
            "life": KEYS["life"],
            "room": TEXTS["room_hash"],
            "device": KEYS["device_public"],
            "box_key": KEYS["box_public"],
            "to_device": KEYS["other_device_public"],
            "to_box_key": KEYS["other_box_public"],
        }
        for vector in TEXTS["to_one"]:
            opened = second_reader.open_private_text(unhex(vector["sealed"]), unhex(KEYS["other_box_private"]), box_key)
            assert plain(opened) | {"sealed": vector["sealed"]} == vector | names

    def test_names(self) -> None:
        folds = {
            "accounts": second_reader.fold,
            "rooms": second_reader.fold_room,
            "display_names": second_reader.clean_display,
        }
        for kind, fold in folds.items():
            vectors = [vector for vector in FILES["names"][kind] if vector["folded"] is not None]
            assert [fold(vector["typed"]) for vector in vectors] == [vector["folded"] for vector in vectors]
            assert len(vectors) < len(FILES["names"][kind])

    @named(FILES["packets"]["packets"])
    def test_packet(self, vector: dict[str, Any]) -> None:
        key = None if vector["key"] is None else unhex(vector["key"])
        type_, header, payload = second_reader.open_packet(unhex(vector["packet"]), key)
        assert (type_, payload.hex()) == (vector["type"], vector["payload"])
        assert header == vector["header"]

    @named(BEACONS["beacons"])
    def test_beacon(self, vector: dict[str, Any]) -> None:
        seat = unhex(BEACONS["fingerprint"]) + unhex(BEACONS["life"]) + unhex(BEACONS["box_public"])
        header, told = second_reader.read_beacon(unhex(vector["packet"]), seat, unhex(BEACONS["device_public"]))
        assert plain(told) == vector["beacon"]
        assert header == {name: vector[name] for name in ("stream", "sequence", "timestamp")}
        with pytest.raises(second_reader.Refused):
            second_reader.read_beacon(unhex(vector["packet"]), bytes(len(seat)), unhex(BEACONS["device_public"]))

    @named(FILES["items"]["items"])
    def test_item(self, vector: dict[str, Any]) -> None:
        assert second_reader.ITEM_READERS[vector["type"]](unhex(vector["value"])) == vector["fields"]

    @named(FILES["datagrams"]["datagrams"])
    def test_datagram(self, vector: dict[str, Any]) -> None:
        found = second_reader.open_datagram(unhex(vector["datagram"]), unhex(vector["key"]))
        assert found == {name: vector[name] for name in found}


def test_second_reader_logs_in_to_a_server_of_tcproto() -> None:
    server = ControlConnection.server(inputs.SERVER_STATIC)
    client = second_reader.Login("Dinas.KESEHATAN", inputs.PASSWORD, inputs.NAME, inputs.DEVICE.seed)
    salt = account.effective_salt(inputs.SERVER_PUBLIC, inputs.ACCOUNT, inputs.SALT)
    registered = account.derive_account_key(inputs.PASSWORD, salt, 64 << 20, 2).public
    server.receive_data(client.start())
    completed = server.next_event()
    assert isinstance(completed, HandshakeCompleted)
    server.receive_data(client.receive(server.data_to_send()))
    begin = server.next_event()
    assert isinstance(begin, Received)
    assert begin.message == messages.LoginBegin("Dinas.KESEHATAN"), "it has no tables of letters"
    server.reply(begin.request_id, messages.LoginChallenge(inputs.SALT, 65536, 2, inputs.ACCOUNT))
    server.receive_data(client.receive(server.data_to_send()))
    asked = server.next_event()
    assert isinstance(asked, Received)
    login = asked.message
    assert (login.account, login.name, login.device_key) == (inputs.ACCOUNT, inputs.NAME, inputs.DEVICE.public)
    hash_ = completed.handshake_hash
    assert account.verify_account_login(registered, login.account_signature, hash_, login.device_key, login.account)
    assert account.verify_device_login(login.device_key, login.device_signature, hash_, login.account)
    limits = messages.Limits(2000, 8000, 8, 500, 5)
    welcome = messages.Welcome(1, inputs.ACCOUNT, "Dinas Kesehatan", inputs.NAME, bytes(32), limits)
    server.reply(asked.request_id, welcome)
    assert client.receive(server.data_to_send()) == b""
    assert client.welcome is not None
    assert client.welcome["agency"] == "Dinas Kesehatan"
    assert server.authenticated
