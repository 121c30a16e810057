from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Optional

import pytest

from tcproto import fields
from tcproto.codec import FieldRow, decode_fields, describe, encode_fields, pack, unpack
from tcproto.errors import ErrorCode, ProtocolError
from tcproto.fields import Exactly, Items, Range, Text, UInt, UpTo, Value


class Source(StrEnum):
    CAMERA = "camera"
    SCREEN = "screen"


class Mood(StrEnum):
    CALM = "calm"
    UNKNOWN = "unknown"


class Fallback(StrEnum):
    GOOD = "good"
    BAD = "bad"

    @classmethod
    def _missing_(cls, value: object) -> Fallback:
        return cls.BAD


@dataclass(frozen=True, slots=True)
class Member:
    name: Annotated[str, Text(max_chars=4, max_bytes=8, min_chars=1)]
    tags: Annotated[tuple[Annotated[str, Text(8, 8)], ...], Items(2)] = ()


@dataclass(frozen=True, slots=True)
class Everything:
    TYPE: ClassVar[str] = "everything"

    u8: Annotated[int, UInt(8)]
    level: Annotated[int, Range(-5, 127)]
    key: Annotated[bytes, Exactly(3)]
    source: Source
    lead: Member
    members: Annotated[tuple[Member, ...], Items(3)]
    note: Annotated[str, Text(max_chars=9, max_bytes=9, multiline=True)] | None
    blob: Optional[Annotated[bytes, UpTo(4)]] = None  # noqa: UP045 - both spellings are allowed
    muted: bool = False
    mood: Mood = Mood.CALM
    fallback: Fallback = Fallback.GOOD
    salt: Annotated[bytes, UpTo(4)] = b"\1\2"
    label: Annotated[str, Text(9, 9)] = "é"


FULL = Everything(
    u8=255,
    level=-5,
    key=b"abc",
    source=Source.SCREEN,
    lead=Member("a", ("x", "y")),
    members=(Member("b"), Member("c")),
    note="a\nb\t",
    blob=b"",
    muted=True,
)
FULL_MAP: dict[str, Value] = {
    "u8": 255,
    "level": -5,
    "key": b"abc",
    "source": "screen",
    "lead": {"name": "a", "tags": ["x", "y"]},
    "members": [{"name": "b", "tags": []}, {"name": "c", "tags": []}],
    "note": "a\nb\t",
    "blob": b"",
    "muted": True,
    "mood": "calm",
    "fallback": "good",
    "salt": b"\1\2",
    "label": "é",
}
SHORT = Everything(0, 127, bytes(3), Source.CAMERA, Member("z"), (), None)
SHORT_MAP: dict[str, Value] = {
    "u8": 0,
    "level": 127,
    "key": bytes(3),
    "source": "camera",
    "lead": {"name": "z"},
    "members": [],
}


def test_round_trip() -> None:
    assert encode_fields(FULL) == FULL_MAP
    assert decode_fields(Everything, FULL_MAP) == FULL
    mapping = unpack(pack(encode_fields(FULL)))
    assert isinstance(mapping, dict)
    assert decode_fields(Everything, mapping) == FULL


def test_plain_types_go_into_the_map() -> None:
    assert type(encode_fields(FULL)["source"]) is str


def test_absent_keys_take_defaults_and_none_is_left_out() -> None:
    assert decode_fields(Everything, SHORT_MAP) == SHORT
    encoded = encode_fields(SHORT)
    assert "note" not in encoded
    assert "blob" not in encoded
    assert encoded["muted"] is False
    assert encoded["label"] == "é"


def test_nil_is_absent_for_optional_fields_only() -> None:
    assert decode_fields(Everything, SHORT_MAP | {"note": None, "blob": None}) == SHORT
    with pytest.raises(ProtocolError, match=r"Everything\.muted: not bool"):
        decode_fields(Everything, SHORT_MAP | {"muted": None})


def test_unknown_keys_are_ignored() -> None:
    assert decode_fields(Everything, SHORT_MAP | {"tomorrow": [1, 2]}) == SHORT


def test_unknown_members_of_an_enum() -> None:
    assert decode_fields(Everything, SHORT_MAP | {"mood": "wild"}).mood is Mood.UNKNOWN
    assert decode_fields(Everything, SHORT_MAP | {"fallback": "wild"}).fallback is Fallback.BAD
    with pytest.raises(ProtocolError, match=r"Everything\.source: not str Source"):
        decode_fields(Everything, SHORT_MAP | {"source": "wild"})


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"u8": 256}, "u8: not u8"),
    ({"u8": -1}, "u8: not u8"),
    ({"u8": True}, "u8: not u8"),
    ({"u8": 1.0}, "u8: not u8"),
    ({"u8": None}, "u8: not u8"),
    ({"level": -6}, "level: not int -5..127"),
    ({"level": 128}, "level: not int -5..127"),
    ({"level": False}, "level: not int -5..127"),
    ({"key": b"ab"}, "key: not bin 3"),
    ({"key": b"abcd"}, "key: not bin 3"),
    ({"key": "abc"}, "key: not bin 3"),
    ({"blob": b"12345"}, "blob: not bin ≤ 4"),
    ({"muted": 1}, "muted: not bool"),
    ({"source": 1}, "source: not str Source"),
    ({"source": "Camera"}, "source: not str Source"),
    ({"mood": b"calm"}, "mood: not str Mood"),
    ({"note": "a" * 10}, "note: not str ≤ 9 chars, 9 bytes, multiline"),
    ({"note": "é" * 5}, "note: not str ≤ 9 chars, 9 bytes, multiline"),
    ({"note": b"a"}, "note: not str ≤ 9 chars, 9 bytes, multiline"),
    ({"note": "\0"}, "note: not str"),
    ({"note": "\r"}, "note: not str"),
    ({"note": "\x85"}, "note: not str"),
    ({"note": "\u2028"}, "note: not str"),
    ({"note": "\ud800"}, "note: not str"),
    ({"label": "a\n"}, "label: not str"),
    ({"label": "\t"}, "label: not str"),
    ({"label": "\x7f"}, "label: not str"),
    ({"label": "\udfff"}, "label: not str"),
]


@pytest.mark.parametrize(("change", "detail"), BAD_FIELDS)
def test_bad_values_are_refused_with_their_path(change: dict[str, Any], detail: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_fields(Everything, SHORT_MAP | change)
    assert caught.value.code is ErrorCode.BAD_MESSAGE
    assert caught.value.detail.startswith(f"Everything.{detail}")


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"lead": 1}, "lead: not map Member"),
        ({"lead": {}}, "lead.name: missing"),
        ({"lead": {"name": ""}}, "lead.name: not str 1..4 chars, 8 bytes"),
        ({"lead": {"name": "x", "tags": [b"x"]}}, "lead.tags[0]: not str ≤ 8 chars, 8 bytes"),
        ({"lead": {"name": "x", "tags": ["x"] * 3}}, "lead.tags: not array ≤ 2 of str ≤ 8 chars, 8 bytes"),
        ({"members": {"name": "x"}}, "members: not array ≤ 3 of map Member"),
        ({"members": [{"name": "x"}, {"name": "12345"}]}, "members[1].name: not str 1..4 chars, 8 bytes"),
        ({"members": [{"name": "x", "tags": ["a", 1]}]}, "members[0].tags[1]: not str ≤ 8 chars, 8 bytes"),
        ({"members": [3]}, "members[0]: not map Member"),
    ],
)
def test_bad_nested_values_are_refused_with_their_path(change: dict[str, Any], detail: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_fields(Everything, SHORT_MAP | change)
    assert caught.value.detail == f"Everything.{detail}"


@pytest.mark.parametrize("name", SHORT_MAP)
def test_a_missing_required_key_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_fields(Everything, {key: value for key, value in SHORT_MAP.items() if key != name})
    assert caught.value.detail == f"Everything.{name}: missing"


def test_a_message_that_is_no_map_is_refused() -> None:
    not_a_map: Any = [1]
    with pytest.raises(ProtocolError, match="Everything: not map Everything"):
        decode_fields(Everything, not_a_map)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"u8": 256}, "Everything.u8: not u8"),
        ({"u8": True}, "Everything.u8: not u8"),
        ({"u8": None}, "Everything.u8: not u8"),
        ({"key": bytearray(3)}, "Everything.key: not bin 3"),
        ({"label": Source.CAMERA}, "Everything.label: not str"),
        ({"source": "camera"}, "Everything.source: not str Source"),
        ({"source": Mood.CALM}, "Everything.source: not str Source"),
        ({"lead": FULL}, "Everything.lead: not map Member"),
        ({"members": []}, "Everything.members: not array"),
        ({"members": (Member("b"), Member(""))}, "Everything.members[1].name: not str"),
    ],
)
def test_our_own_bad_values_are_refused(change: dict[str, Any], detail: str) -> None:
    with pytest.raises(ValueError, match="Everything") as caught:
        encode_fields(replace(SHORT, **change))
    assert str(caught.value).startswith(detail)


@dataclass(frozen=True, slots=True)
class Span:
    first: Annotated[int, UInt(32)]
    last: Annotated[int, UInt(32)]

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError("first after last")


@dataclass(frozen=True, slots=True)
class Spans:
    spans: Annotated[tuple[Span, ...], Items(4)]


def test_a_refused_combination_has_its_path() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_fields(Spans, {"spans": [{"first": 1, "last": 1}, {"first": 2, "last": 1}]})
    assert caught.value.detail == "Spans.spans[1]: first after last"


def test_describe() -> None:
    assert describe(Everything) == [
        FieldRow("u8", "u8", "required"),
        FieldRow("level", "int -5..127", "required"),
        FieldRow("key", "bin 3", "required"),
        FieldRow("source", "str Source", "required"),
        FieldRow("lead", "map Member", "required"),
        FieldRow("members", "array ≤ 3 of map Member", "required"),
        FieldRow("note", "str ≤ 9 chars, 9 bytes, multiline", "optional"),
        FieldRow("blob", "bin ≤ 4", "optional"),
        FieldRow("muted", "bool", "default false"),
        FieldRow("mood", "str Mood", 'default "calm"'),
        FieldRow("fallback", "str Fallback", 'default "good"'),
        FieldRow("salt", "bin ≤ 4", 'default "0102"'),
        FieldRow("label", "str ≤ 9 chars, 9 bytes", 'default "é"'),
    ]


# Message classes that make no sense


@dataclass(frozen=True)
class BareInt:
    x: int


@dataclass(frozen=True)
class BareTuple:
    x: tuple[bool, ...]


@dataclass(frozen=True)
class FixedTuple:
    x: Annotated[tuple[bool, bool], Items(2)]


@dataclass(frozen=True)
class ItemsOfStr:
    x: Annotated[str, Items(2)]


@dataclass(frozen=True)
class OptionalElement:
    x: Annotated[tuple[bool | None, ...], Items(2)]


@dataclass(frozen=True)
class WrongBase:
    x: Annotated[str, UInt(8)]


@dataclass(frozen=True)
class TwoConstraints:
    x: Annotated[int, UInt(8), Range(0, 1)]


@dataclass(frozen=True)
class TwoTypes:
    x: bool | Source


@dataclass(frozen=True)
class OnlyNone:
    x: None


@dataclass(frozen=True)
class Factory:
    x: Annotated[tuple[bool, ...], Items(2)] = field(default_factory=tuple)


@dataclass(frozen=True)
class OptionalWithDefault:
    x: Annotated[int, UInt(8)] | None = 1


@dataclass(frozen=True)
class BadDefault:
    x: Annotated[int, UInt(8)] = 256


@pytest.mark.parametrize(
    "cls",
    [
        int,
        BareInt,
        BareTuple,
        FixedTuple,
        ItemsOfStr,
        OptionalElement,
        WrongBase,
        TwoConstraints,
        TwoTypes,
        OnlyNone,
        Factory,
        OptionalWithDefault,
        BadDefault,
    ],
)
def test_senseless_message_classes(cls: type) -> None:
    with pytest.raises(TypeError, match=cls.__name__):
        describe(cls)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Range(2, 1),
        lambda: Range(0, 1 << 64),
        lambda: Text(1, fields.MAX_STR_LEN + 1),
        lambda: Exactly(fields.MAX_BIN_LEN + 1),
        lambda: UpTo(-1),
        lambda: Items(fields.MAX_ARRAY_LEN + 1),
    ],
)
def test_constraints_that_fit_no_message(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()
