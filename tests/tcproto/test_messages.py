from __future__ import annotations

import dataclasses

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcproto import messages
from tcproto.codec import MAX_MESSAGE, encode_fields, pack
from tcproto.errors import Action, ErrorCode, ProtocolError
from tcproto.fields import Value
from tcproto.framing import LIMIT_BEFORE_LOGIN
from tcproto.messages import (
    ROWS,
    Change,
    ChangeKind,
    Chat,
    ChatScope,
    ClientHello,
    Close,
    Envelope,
    Kind,
    Member,
    Ok,
    Permission,
    Ping,
    PublicationInfo,
    Publish,
    RoomChanges,
    RoomInfo,
    Sender,
    ServerHello,
    Source,
    State,
    Subscribe,
    Unknown,
    UpdateRoom,
    decode,
    encode,
    row_of,
)
from tcproto.messages.registry import MAX_REQUEST_ID, Row, message
from tests.support.message_values import instances, largest, smallest
from tests.support.mutations import bit_flips, truncations

ROW_LIST = list(ROWS.values())
CASES: list[tuple[object, int, dict[str, object]]] = [
    (Ok(), 7, {"t": "ok", "id": 7}),
    (Ping(2**64 - 1), MAX_REQUEST_ID, {"t": "ping", "id": MAX_REQUEST_ID, "time": 2**64 - 1}),
    (
        Close(ErrorCode.KICKED, "", Action.STOP),
        0,
        {"t": "close", "code": "kicked", "text": "", "action": "stop", "retry_after_ms": 0},
    ),
    (UpdateRoom(), 1, {"t": "update_room", "id": 1}),
    (UpdateRoom(max_participants=3), 1, {"t": "update_room", "id": 1, "max_participants": 3}),
    (
        Chat(bytes(16), ChatScope.ROOM, "a\nb"),
        2,
        {
            "t": "chat",
            "id": 2,
            "message_id": bytes(16),
            "scope": "room",
            "text": "a\nb",
            "participant": 0,
            "sealed": b"",
        },
    ),
    (
        Subscribe(5, (Source.MICROPHONE, Source.CAMERA)),
        3,
        {
            "t": "subscribe",
            "id": 3,
            "generation": 5,
            "defaults": ["microphone", "camera"],
            "choices": [],
            "redundant_sources": [],
            "voices": 0,
        },
    ),
]


def numbered(row: Row) -> bool:
    return row.reply or row.answer is not None


def taken(data: bytes) -> Envelope | None:
    """Return the message, or None if it was refused as it should be."""
    try:
        return decode(data)
    except ProtocolError as error:
        refusal = error
    assert refusal.code is ErrorCode.BAD_MESSAGE
    assert refusal.detail.isprintable()
    return None


@pytest.mark.parametrize(("value", "request_id", "body"), CASES)
def test_messages_in_bytes(value: object, request_id: int, body: dict[str, object]) -> None:
    data = msgpack.packb(body)
    assert encode(value, request_id) == data
    assert decode(data) == Envelope(value, request_id)


@pytest.mark.parametrize("row", ROW_LIST, ids=lambda row: row.name)
@settings(max_examples=10)
@given(data=st.data())
def test_every_message_round_trips(row: Row, data: st.DataObject) -> None:
    value = data.draw(instances(row.message))
    request_id = data.draw(st.integers(1, MAX_REQUEST_ID)) if numbered(row) else 0
    assert decode(encode(value, request_id)) == (value, request_id)


@pytest.mark.parametrize("row", ROW_LIST, ids=lambda row: row.name)
def test_every_message_fits_a_frame_at_its_largest(row: Row) -> None:
    if row.message is RoomChanges:
        return
    for value in (smallest(row.message), largest(row.message)):
        request_id = MAX_REQUEST_ID if numbered(row) else 0
        data = encode(value, request_id)
        assert len(data) <= MAX_MESSAGE
        assert decode(data) == (value, request_id)


def test_changes_fit_a_frame_with_what_each_may_hold() -> None:
    """A change holds at most one of the large records, which its ``what`` decides."""
    changes = [
        Change(ChangeKind.PUBLICATION_UPDATED, publication=largest(PublicationInfo)),
        Change(ChangeKind.MEMBER_UPDATED, member=largest(Member)),
        Change(ChangeKind.ROOM_UPDATED, room=largest(RoomInfo)),
        Change(ChangeKind.MEMBER_LEFT, 2**32 - 1, code=max(ErrorCode, key=len)),
        Change(ChangeKind.UNPUBLISHED, 2**32 - 1, number=2**32 - 1),
    ]
    for change in changes:
        value = RoomChanges(2**64 - 1, (change,) * 64)
        assert decode(encode(value)) == (value, 0)


@pytest.mark.parametrize("name", [row.name for row in ROW_LIST if row.states & State.LOGIN and not row.reply])
def test_what_is_sent_before_the_login_fits_the_small_frames(name: str) -> None:
    row = ROWS[name]
    for cls in (row.message, row.answer):
        if cls is not None:
            assert len(encode(largest(cls), MAX_REQUEST_ID if numbered(row_of(cls)) else 0)) <= LIMIT_BEFORE_LOGIN - 17


def test_hellos_fit_the_small_frames() -> None:
    # Noise: an ephemeral key; and in the reply a static key and two tags.
    assert len(pack(encode_fields(largest(ClientHello)))) <= LIMIT_BEFORE_LOGIN - 32
    assert len(pack(encode_fields(largest(ServerHello)))) <= LIMIT_BEFORE_LOGIN - 96


@pytest.mark.parametrize("row", ROW_LIST, ids=lambda row: row.name)
def test_the_table_makes_sense(row: Row) -> None:
    assert row_of(row.message) is row
    assert ROWS[row.name] is row
    assert getattr(messages, row.message.__name__) is row.message
    assert row.numbered == numbered(row)
    assert not (row.reply and row.answer)
    assert not {field.name for field in dataclasses.fields(row.message)} & {"t", "id"}
    if row.answer is not None:
        # The side that did not ask answers.
        assert row_of(row.answer).reply
        assert row_of(row.answer).sender & (Sender.BOTH if row.sender is Sender.BOTH else Sender.BOTH & ~row.sender)


def test_all_is_exported() -> None:
    assert sorted(messages.__all__) == sorted(set(messages.__all__))
    assert all(hasattr(messages, name) for name in messages.__all__)


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="twice"):

        @message("ok", Sender.SERVER)
        class Another:
            """Not entered."""


@pytest.mark.parametrize("row", ROW_LIST, ids=lambda row: row.name)
def test_ids_where_they_belong_and_in_range(row: Row) -> None:
    value = smallest(row.message)
    for request_id in (-1, MAX_REQUEST_ID + 1, 0 if numbered(row) else 1):
        with pytest.raises(ValueError, match="request id"):
            encode(value, request_id)
    body = encode_fields(value) | {"t": row.name}
    for bad in (-1, MAX_REQUEST_ID + 1, True, "1", None, 1.0, 0 if numbered(row) else 1):
        with pytest.raises(ProtocolError, match="id") as caught:
            decode(pack(body | {"id": bad}))
        assert caught.value.code is ErrorCode.BAD_MESSAGE


@pytest.mark.parametrize("name", ["close", "of_tomorrow"])
def test_an_id_of_0_is_no_id(name: str) -> None:
    body: Value = {"t": name, "code": "kicked", "text": "", "action": "stop"}
    assert decode(pack(body)).request_id == 0
    with pytest.raises(ProtocolError, match="id: an integer from 1"):
        decode(pack({"t": name, "id": 0}))


@pytest.mark.parametrize("body", [None, 1, "close", [], {}, {"t": None}, {"t": 1}, {"t": b"close"}, {"id": 1}])
def test_what_is_no_message_is_refused(body: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(msgpack.packb(body))
    assert caught.value.code is ErrorCode.BAD_MESSAGE


def test_a_later_version_s_messages_fields_and_words() -> None:
    assert decode(pack({"t": "of_tomorrow", "x": 1})) == (Unknown("of_tomorrow"), 0)
    assert decode(pack({"t": "of_tomorrow", "id": 9})) == (Unknown("of_tomorrow"), 9)
    assert decode(pack({"t": "ok", "id": 1, "more": [1]})) == (Ok(), 1)
    publish = {"t": "publish", "id": 1, "number": 1, "kind": "smell", "source": "nose", "codec": "x"}
    assert decode(pack(publish)).message == Publish(1, Kind.UNKNOWN, Source.UNKNOWN, "x")


@pytest.mark.parametrize(
    "body",
    [
        {"t": "publish", "id": 1, "kind": "audio", "source": "microphone", "codec": "opus"},
        {"t": "published", "id": 1, "stream": 1, "caps": {"bitrate": 1, "packets_per_second": 1}},
        {"t": "unpublish", "id": 1},
        {"t": "mute", "id": 1, "muted": True},
    ],
    ids=lambda body: body["t"],
)
def test_publication_number_zero_is_the_beacon_s(body: dict[str, object]) -> None:
    refused(msgpack.packb({**body, "number": 0}))
    assert taken(msgpack.packb({**body, "number": 1})) is not None


def test_publication_number_zero_is_in_no_roster() -> None:
    entry = {"participant": 7, "stream": 1, "kind": "audio", "source": "microphone", "codec": "opus"}
    for number in (0, 1):
        for change in (
            {"what": "unpublished", "participant": 7, "number": number},
            {"what": "published", "publication": {**entry, "number": number}},
        ):
            data = msgpack.packb({"t": "changes", "first": 1, "changes": [change]})
            if number:
                assert taken(data) is not None
            else:
                refused(data)


def refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="number") as caught:
        decode(data)
    assert caught.value.code is ErrorCode.BAD_MESSAGE


@pytest.mark.parametrize("row", ROW_LIST, ids=lambda row: row.name)
def test_spoilt_messages_are_messages_or_refused(row: Row) -> None:
    data = encode(smallest(row.message), 1 if numbered(row) else 0)
    for spoilt in (*truncations(data), *bit_flips(data), data + b"\0"):
        taken(spoilt)
    for cut in truncations(data):
        with pytest.raises(ProtocolError):
            decode(cut)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5) | st.binary(max_size=33),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


# Every field of every message takes its own range and nothing else.
@pytest.mark.parametrize("row", ROW_LIST, ids=lambda row: row.name)
@settings(max_examples=15)
@given(data=st.data())
def test_any_value_in_any_field_is_taken_or_refused(row: Row, data: st.DataObject) -> None:
    body = encode_fields(smallest(row.message)) | {"t": row.name} | ({"id": 1} if numbered(row) else {})
    fields = [field.name for field in dataclasses.fields(row.message)]
    if fields:
        body[data.draw(st.sampled_from(fields))] = data.draw(values)
    envelope = taken(pack(body))
    if envelope is not None:
        assert decode(encode(*envelope)) == envelope


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for body in (data, b"\x82\xa1t\xa5close" + data, b"\x83\xa1t\xa4ping\xa2id\x01" + data):
        taken(body)


def test_permissions_fit_their_field() -> None:
    assert max(Permission) < 2**16
