"""A second, small implementation of PROTOCOL.md that shares no code with tcproto: section numbers are the document's.

It reads and opens everything, and can log in. Limits that protect a real reader from a hostile writer are not its task.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import unicodedata
import warnings
from typing import Any
from urllib.parse import unquote

import msgpack
from nacl.exceptions import CryptoError
from nacl.public import Box, PrivateKey, PublicKey
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.signing import SigningKey, VerifyKey

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from noise.connection import Keypair, NoiseConnection

PROTOCOL = b"Noise_NX_25519_ChaChaPoly_BLAKE2b"


class Refused(Exception):
    """What was read is not what the document describes."""


def need(condition: object, what: str) -> None:
    if not condition:
        raise Refused(what)


# 1 Conventions


def blake(size: int, data: bytes, **parameters: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=size, **parameters).digest()


def string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def fingerprint(static_public: bytes) -> bytes:
    return blake(20, static_public, person=b"tc fingerprint v")


def fingerprint_text(value: bytes) -> str:
    letters = base64.b32encode(value).decode().lower()
    return "-".join(letters[i : i + 4] for i in range(0, 32, 4))


def read_link(text: str) -> dict[str, Any]:
    need(text.startswith("tc://"), "scheme")
    rest, _, query = text[5:].partition("?")
    need("#" not in text and "@" not in rest, "user or fragment")
    place, _, room = rest.partition("/")
    if place.startswith("["):
        host, _, port_text = place[1:].partition("]")
        port_text = port_text.removeprefix(":")
    else:
        host, _, port_text = place.partition(":")
    need(host, "host")
    port = int(port_text) if port_text else 7433
    need(1 <= port <= 65535, "port")
    found: dict[str, Any] = {"host": host, "port": port, "room": unquote(room), "fingerprint": None, "e2ee": True}
    for pair in filter(None, query.split("&")):
        word, _, value = pair.partition("=")
        if word == "fp":
            letters = value.replace("-", "").upper()
            need(len(letters) == 32, "fingerprint")
            found["fingerprint"] = base64.b32decode(letters).hex()
        else:
            need(word == "e2ee" and value in ("on", "off"), "word")
            found["e2ee"] = value == "on"
    return found


# 2 Channel, 3 messages


def cut_frames(stream: bytes) -> list[bytes]:
    frames = []
    while stream:
        (size,) = struct.unpack_from(">H", stream)
        need(0 < size <= len(stream) - 2, "frame")
        frames.append(stream[2 : 2 + size])
        stream = stream[2 + size :]
    return frames


def frame(body: bytes) -> bytes:
    return struct.pack(">H", len(body)) + body


def read_message(body: bytes) -> dict[str, Any]:
    message = msgpack.unpackb(body)
    need(isinstance(message, dict) and isinstance(message.get("t"), str), "message")
    return dict(message)


class Channel:
    """A client's end of the Noise channel."""

    def __init__(self, hello: dict[str, Any], ephemeral: bytes | None = None) -> None:
        self.noise = NoiseConnection.from_name(PROTOCOL)
        self.noise.set_as_initiator()
        self.noise.set_prologue(b"tc noise 1")
        if ephemeral is not None:
            self.noise.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of fixed ephemeral keys
            self.noise.start_handshake()
        self.first = frame(bytes(self.noise.write_message(msgpack.packb(hello))))
        self.server_static = b""

    def finish(self, message: bytes) -> dict[str, Any]:
        """Take the server's handshake message; return its hello."""
        handshake = self.noise.noise_protocol.handshake_state
        hello = msgpack.unpackb(bytes(self.noise.read_message(message)))
        self.server_static = handshake.rs.public_bytes
        self.handshake_hash = bytes(self.noise.get_handshake_hash())
        return dict(hello)

    def seal(self, body: bytes) -> bytes:
        return frame(bytes(self.noise.encrypt(body)))

    def open(self, body: bytes) -> bytes:
        return bytes(self.noise.decrypt(body))


class Login:
    """A client that logs in; feed it the server's bytes, send what it returns."""

    def __init__(self, account: str, password: str, name: str, device_seed: bytes, ephemeral: bytes | None = None):
        self.typed = account
        self.account = ""
        self.password = password
        self.name = name
        self.device = SigningKey(device_seed)
        self.channel = Channel({"versions": [1]}, ephemeral)
        self.received = b""
        self.is_open = False
        self.welcome: dict[str, Any] | None = None

    def start(self) -> bytes:
        return self.channel.first

    def receive(self, data: bytes) -> bytes:
        self.received += data
        answer = b""
        while len(self.received) >= 2 and len(self.received) >= (
            size := 2 + struct.unpack_from(">H", self.received)[0]
        ):
            body, self.received = self.received[2:size], self.received[size:]
            answer += self._frame(body)
        return answer

    def _frame(self, body: bytes) -> bytes:
        if not self.is_open:
            need(self.channel.finish(body)["version"] == 1, "version")
            self.is_open = True
            return self._say({"t": "login_begin", "id": 1, "account": self.typed})
        plaintext = self.channel.open(body)
        need(plaintext[0] == 0, "frame type")
        message = read_message(plaintext[1:])
        if message["t"] == "login_challenge":
            need(message["id"] == 1, "id")
            self.account = message["account"]
            return self._say(self._login(message))
        need(message["t"] == "welcome" and message["id"] == 2, "welcome")
        self.welcome = message
        return b""

    def _login(self, challenge: dict[str, Any]) -> dict[str, Any]:
        salt = effective_salt(self.channel.server_static, self.account, challenge["salt"])
        key = account_key(self.password, salt, challenge["memory_kib"], challenge["passes"])
        device_public = bytes(self.device.verify_key)
        return {
            "t": "login",
            "id": 2,
            "account": self.account,
            "name": self.name,
            "device_key": device_public,
            "account_signature": key.sign(
                account_login_text(self.channel.handshake_hash, device_public, self.account)
            ).signature,
            "device_signature": self.device.sign(
                device_login_text(self.channel.handshake_hash, self.account)
            ).signature,
        }

    def _say(self, message: dict[str, Any]) -> bytes:
        return self.channel.seal(b"\x00" + msgpack.packb(message))


# 4 Login


def fold(text: str) -> str:
    """For accounts; only a client that wants to check the server needs it."""
    folded = text.strip()
    for _ in range(3):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold())
    return folded


def fold_room(text: str) -> str:
    return " ".join(fold(text).split())


def clean_display(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def effective_salt(server_static: bytes, account: str, salt: bytes) -> bytes:
    return blake(16, server_static + account.encode() + b"\x00" + salt, person=b"tc salt v1")


def account_key(password: str, salt: bytes, memory_kib: int, passes: int) -> SigningKey:
    need(65536 <= memory_kib <= 262144 and 2 <= passes <= 6, "costs")
    text = unicodedata.normalize("NFKC", password).encode()
    return SigningKey(argon2id.kdf(32, text, salt, opslimit=passes, memlimit=memory_kib * 1024))


def account_login_text(handshake_hash: bytes, device_public: bytes, account: str) -> bytes:
    return b"tc account login v1\x00" + handshake_hash + device_public + string(account)


def device_login_text(handshake_hash: bytes, account: str) -> bytes:
    return b"tc device login v1\x00" + handshake_hash + string(account)


def account_change_text(
    handshake_hash: bytes, account: str, new_public: bytes, new_salt: bytes, memory_bytes: int, passes: int
) -> bytes:
    costs = struct.pack(">IB", memory_bytes, passes)
    return b"tc account change v1\x00" + handshake_hash + string(account) + new_public + new_salt + costs


def verifies(public: bytes, text: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public).verify(text, signature)
    except (CryptoError, ValueError):
        return False
    return True


# 5 Rooms


def member_text(
    server_fingerprint: bytes, life: bytes, room: str, account: str, name: str, box_public: bytes, signed_at: int
) -> bytes:
    return (
        b"tc member v2\x00"
        + server_fingerprint
        + life
        + string(room)
        + string(account)
        + string(name)
        + box_public
        + struct.pack(">Q", signed_at)
    )


# 6 Media path


def open_datagram(data: bytes, key: bytes) -> dict[str, Any]:
    first, epoch, ident, high, low = struct.unpack_from(">BBIHI", data)
    need(first >> 4 == 1, "version")
    plaintext = SecretBox(key).decrypt(data[12:], data[:12] + bytes(12))
    found: dict[str, Any] = {"kind": first & 15, "epoch": epoch, "id": ident, "counter": high * 2**32 + low}
    found["relay_time"] = None
    if found["kind"] == 3:
        (found["relay_time"],) = struct.unpack_from(">I", plaintext)
        plaintext = plaintext[4:]
    found["items"] = read_items(plaintext)
    return found


def read_items(data: bytes) -> list[dict[str, Any]]:
    items = []
    while data:
        if data[0] >= 128:
            items.append({"type": data[0] - 128, "value": data[1:].hex()})
            break
        kind, size = struct.unpack_from(">BH", data)
        need(len(data) >= 3 + size, "item")
        items.append({"type": kind, "value": data[3 : 3 + size].hex()})
        data = data[3 + size :]
    return items


def read_series(stream: int, code: int) -> dict[str, Any]:
    need(code & 0b00011000 == 0, "series")
    return {"stream": stream, "spatial": code >> 5 & 3, "temporal": code & 7, "redundant": code >= 128}


def _u48(high: int, low: int) -> int:
    return high * 2**32 + low


def read_ping(value: bytes) -> Any:
    number, time = struct.unpack(">HI", value)
    return {"number": number, "time": time}


def read_pong(value: bytes) -> Any:
    number, time, received_at, high, low, received = struct.unpack(">HIIHII", value)
    return {
        "number": number,
        "time": time,
        "received_at": received_at,
        "highest": _u48(high, low),
        "received": received,
    }


def read_positions(value: bytes) -> Any:
    return [{"sealer": s, "counter": _u48(high, low)} for s, high, low in struct.iter_unpack(">IHI", value)]


def read_copies(value: bytes) -> Any:
    copies = []
    while value:
        distance, level, size = value[:3]
        need(1 <= distance <= 15 and 1 <= size <= len(value) - 3, "copy")
        copies.append(
            {"distance": distance, "level": level & 127, "voice": level >= 128, "body": value[3 : 3 + size].hex()}
        )
        value = value[3 + size :]
    return copies


def read_arrival_report(value: bytes) -> Any:
    high, low, count, units = struct.unpack_from(">HIBI", value)
    count += 1
    bitmap = int.from_bytes(value[11 : 11 + (count + 7) // 8], "big") >> -count % 8
    deltas = value[11 + (count + 7) // 8 :]
    arrivals: list[int | None] = []
    is_first = True
    for i in range(count):
        if not bitmap >> (count - 1 - i) & 1:
            arrivals.append(None)
            continue
        if not is_first:
            folded, deltas = deltas[0], deltas[1:]
            if folded == 255:
                folded, deltas = struct.unpack(">H", deltas[:2])[0], deltas[2:]
            units += -(folded + 1) // 2 if folded % 2 else folded // 2
        is_first = False
        arrivals.append(units * 250)
    need(not deltas, "arrival report")
    return {"base": _u48(high, low), "arrivals": arrivals}


def read_receiver_report(value: bytes) -> Any:
    return [
        {
            "sealer": sealer,
            "series": read_series(stream, code),
            "received": received,
            "lost": lost,
            "highest": highest,
            "jitter": jitter,
            "delay": delay,
        }
        for sealer, stream, code, received, lost, highest, jitter, delay in struct.iter_unpack(">IHBIIHHH", value)
    ]


def read_heads(value: bytes) -> Any:
    (sealer,) = struct.unpack_from(">I", value)
    heads = [
        {"series": read_series(stream, code), "forward": forward}
        for stream, code, forward in struct.iter_unpack(">HBH", value[4:])
    ]
    return {"sealer": sealer, "heads": heads}


def read_not_sent(value: bytes) -> Any:
    sealer, stream, code, first, last = struct.unpack(">IHBHH", value)
    return {"sealer": sealer, "series": read_series(stream, code), "first": first, "last": last}


def read_retransmission_request(value: bytes) -> Any:
    sealer, stream, code, base, bitmap = struct.unpack(">IHBHH", value)
    return {"sealer": sealer, "series": read_series(stream, code), "base": base, "bitmap": bitmap}


def read_resend_request(value: bytes) -> Any:
    return [_u48(high, low) for high, low in struct.iter_unpack(">HI", value)]


def read_bandwidth_probe_request(value: bytes) -> Any:
    return dict(zip(("number", "datagrams", "size"), struct.unpack(">HBH", value), strict=True))


def read_arrival_request(value: bytes) -> dict[str, Any]:
    (ms,) = struct.unpack(">H", value)
    return {"ms": ms}


def read_urgent(value: bytes) -> dict[str, Any]:
    message = read_message(value)
    need(message["t"] in ("subscribe", "key_boxes", "key_receipts", "room_key"), "urgent")
    return message


ITEM_READERS = {
    5: read_copies,
    16: read_ping,
    17: read_pong,
    20: read_positions,
    22: read_arrival_report,
    23: read_receiver_report,
    24: read_heads,
    25: read_not_sent,
    26: read_retransmission_request,
    27: read_resend_request,
    28: read_bandwidth_probe_request,
    29: read_urgent,
    32: read_arrival_request,
}


# 7 Packets


def open_packet(packet: bytes, key: bytes | None) -> tuple[int, dict[str, Any], bytes]:
    """Type, header fields, payload."""
    first, stream, number, generation, sequence, timestamp = struct.unpack_from(">BHBBII", packet)
    kind, flags = first >> 4, first & 15
    header: dict[str, Any] = {
        "stream": stream,
        "key_number": number,
        "generation": generation,
        "sequence": sequence,
        "timestamp": timestamp,
    }
    size = {1: 14, 2: 21}.get(kind, 13)
    if kind == 1:
        header |= {
            "duration_ms": (20, 40, 60, 10)[flags & 3],
            "level": packet[13] & 127,
            "voice": packet[13] >= 128,
            "end_of_talk": bool(flags & 4),
            "comfort": bool(flags & 8),
        }
    elif kind == 2:
        layer, frame_id, index, count, reference = struct.unpack_from(">BHHHB", packet, 13)
        header |= {
            "frame_id": frame_id,
            "packet_index": index,
            "packet_count": count,
            "keyframe": bool(flags & 1),
            "discardable": bool(flags & 2),
            "spatial": layer >> 4,
            "temporal": layer & 15,
            "reference": reference,
        }
    else:
        header["type"] = kind
    body = packet[size:]
    plaintext = body if key is None else SecretBox(key).decrypt(body, packet[:size].ljust(24, b"\x00"))
    padding = plaintext[0]
    need(padding < len(plaintext) and not any(plaintext[len(plaintext) - padding :]), "padding")
    return kind, header, plaintext[1 : len(plaintext) - padding]


# 8 End-to-end keys


def ratchet(sender_key: bytes) -> bytes:
    return blake(32, b"tc ratchet v1", key=sender_key)


def publication_key(sender_key: bytes, life: bytes, number: int, kind: int, source: int) -> bytes:
    return blake(32, b"tc stream v1" + life + struct.pack(">IBB", number, kind, source), key=sender_key)


def commitment(sender_key: bytes) -> bytes:
    return blake(32, b"tc commitment v2", key=sender_key)


def open_key_box(box: bytes, private: bytes, public: bytes) -> dict[str, Any]:
    text = Box(PrivateKey(private), PublicKey(public)).decrypt(box[24:], box[:24])
    label, life, room, device, box_key, to_device, to_box, scheme, mode, number, generation, key, count = (
        struct.unpack_from(">16s16s16s32s32s32s32sBBIB32sB", text)
    )
    need(label == b"tc key box v2\x00\x00\x00" and scheme == 1 and len(text) == 216 + 9 * count, "key box")
    firsts = [list(struct.unpack_from(">IBI", text, 216 + 9 * i)) for i in range(count)]
    return {
        "life": life,
        "room": room,
        "device": device,
        "box_key": box_key,
        "to_device": to_device,
        "to_box_key": to_box,
        "mode": mode,
        "number": number,
        "generation": generation,
        "key": key,
        "first_sequences": firsts,
    }


def room_hash(folded: str) -> bytes:
    return blake(16, b"tc room v1\x00" + folded.encode())


def text_key(sender_key: bytes, life: bytes, device: bytes, box_key: bytes) -> bytes:
    return blake(32, b"tc text v1\x00" + life + device + box_key, key=sender_key)


def open_room_text(sealed: bytes, key: bytes) -> dict[str, Any]:
    form, number, generation, sequence = struct.unpack_from(">BIBI", sealed)
    need(form == 0x11, "form")
    plaintext = SecretBox(key).decrypt(sealed[10:], sealed[:10].ljust(24, b"\x00"))
    return {"number": number, "generation": generation, "sequence": sequence, **read_note(plaintext, 0)}


def open_private_text(sealed: bytes, private: bytes, public: bytes) -> dict[str, Any]:
    need(sealed[0] == 0x12, "form")
    plaintext = Box(PrivateKey(private), PublicKey(public)).decrypt(sealed[25:], sealed[1:25])
    label, life, room, device, box_key, to_device, to_box, sequence = struct.unpack_from(
        ">16s16s16s32s32s32s32sI", plaintext
    )
    need(label == b"tc text box v1\x00\x00", "label")
    return {
        "life": life,
        "room": room,
        "device": device,
        "box_key": box_key,
        "to_device": to_device,
        "to_box_key": to_box,
        "sequence": sequence,
        **read_note(plaintext, 180),
    }


def read_note(plaintext: bytes, start: int) -> dict[str, Any]:
    message_id, previous, written_at, size = struct.unpack_from(">16sIQH", plaintext, start)
    end = start + 30 + size
    need(len(plaintext) == -(-end // 64) * 64 and not any(plaintext[end:]), "padding")
    return {
        "message_id": message_id.hex(),
        "previous": previous,
        "written_at": written_at,
        "text": plaintext[start + 30 : end].decode(),
    }


def member_set_hash(life: bytes, room: str, seats: list[tuple[str, bytes, bytes]]) -> bytes:
    ordered = sorted((account.encode(), device, box_key) for account, device, box_key in seats)
    text = b"".join(struct.pack(">H", len(account)) + account + device + box for account, device, box in ordered)
    return blake(16, b"tc member set v2\x00" + life + string(room) + text)


def safety_code(life: bytes, room: str, e2ee: bool, server_fingerprint: bytes, devices: list[tuple[str, bytes]]) -> str:
    ordered = sorted({(account.encode(), device) for account, device in devices})
    text = b"".join(struct.pack(">H", len(account)) + account + device for account, device in ordered)
    digest = blake(30, b"tc safety v2\x00" + life + bytes([e2ee]) + server_fingerprint + string(room) + text)
    return " ".join(f"{int.from_bytes(digest[i : i + 5], 'big') % 100000:05}" for i in range(0, 30, 5))


def read_beacon(packet: bytes, seat: bytes, device_public: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and content; ``seat`` is fingerprint, life and box key."""
    header, payload, signature = packet[:13], packet[13:-64], packet[-64:]
    need(verifies(device_public, b"tc beacon v2\x00" + seat + header + payload, signature), "signature")
    first, stream, low_number, low_generation, sequence, timestamp = struct.unpack(">BHBBII", header)
    version, member_set, number, generation, sender_commitment, count = struct.unpack_from(">B16sIB32sB", payload)
    need(version == 2 and first == 0x30 and count <= 32 and generation <= 250, "beacon")
    need((low_number, low_generation) == (number & 255, generation), "key of the header")
    clocks = [struct.unpack_from(">HIQ", payload, 55 + 14 * i) for i in range(count)]
    return {"stream": stream, "sequence": sequence, "timestamp": timestamp}, {
        "member_set": member_set,
        "key_number": number,
        "generation": generation,
        "commitment": sender_commitment,
        "clocks": [{"stream": stream, "timestamp": timestamp, "time": time} for stream, timestamp, time in clocks],
    }
