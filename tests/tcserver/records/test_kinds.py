import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto.messages import Role
from tcproto.names import fold_account
from tcserver.records import ROLES, DuplicatePolicy
from tcserver.records.kinds import ByKey, Choice, Data, Flag, Kind, Maybe, Name, NotAllowed, Number, Whole

KINDS = {
    "flag": Flag(),
    "whole": Whole(-3, 70_000),
    "number": Number(0.5, 100),
    "choice": Choice(("text", "json")),
    "choice of an enumeration": Choice(tuple(DuplicatePolicy)),
    "data": Data(3),
    "maybe whole": Maybe(Whole(0, 9), "default"),
    "maybe choice": Maybe(Choice(ROLES), "none"),
    "by key": ByKey(Name(fold_account), Choice(ROLES)),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Flag": st.booleans(),
    "Whole": st.integers(-3, 70_000),
    "Number": st.floats(0.5, 100),
    "Data": st.binary(min_size=3, max_size=3),
}


def values(kind: Kind) -> st.SearchStrategy[Any]:
    if isinstance(kind, Choice):
        return st.sampled_from(kind.choices)
    if isinstance(kind, Maybe):
        return st.none() | (values(kind.kind) if isinstance(kind.kind, Choice) else st.integers(0, 9))
    if isinstance(kind, ByKey):
        return st.dictionaries(st.sampled_from(["kantor-1", "dinkes"]), st.sampled_from(ROLES))
    return VALUES[type(kind).__name__]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(data=st.data())
def test_a_value_comes_back_from_documents_and_columns(kind: Kind, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    assert kind.checked(value) == value
    assert kind.from_sql(kind.to_sql(value)) == value
    assert kind.from_document(json.loads(json.dumps(kind.to_document(value)))) == value


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(text=st.text())
def test_any_text_is_a_value_or_refused_with_what_it_should_be(kind: Kind, text: str) -> None:
    reason = ""
    try:
        value = kind.from_text(text)
    except NotAllowed as error:
        reason = str(error)
    assert reason.startswith("should be ") if reason else kind.from_sql(kind.to_sql(value)) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,  # no kind looks deeper than one level
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(value=JSON)
def test_any_value_of_a_document_is_one_or_refused(kind: Kind, value: object) -> None:
    reason = ""
    try:
        read = kind.from_document(value)
    except NotAllowed as error:
        reason = str(error)
    assert reason.startswith("should be ") if reason else kind.from_document(kind.to_document(read)) == read


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (Flag(), 1, "should be true or false, not 1"),
        (Whole(0, 3), True, "should be a whole number from 0 to 3, not True"),
        (Whole(0, 3), 4, "not 4"),
        (Whole(0, 3), 2.0, "not 2.0"),
        (Number(0.01, 3), math.nan, "should be a number from 0.01 to 3, not nan"),
        (Number(0, 3), False, "not False"),
        (Choice(ROLES), Role.UNKNOWN, "should be one of admin, chair, speaker, listener, observer, recorder, not "),
        (Data(3), b"ab", "should be 3 bytes, not 2"),
        (Maybe(Whole(0, 3), "default"), 4, "should be a whole number from 0 to 3, or default, not 4"),
        (ByKey(Choice(ROLES), Whole(0, 3)), [], "should be an object, not \\[\\]"),
        (Name(fold_account), "a b", "an account name has only"),
        (Name(fold_account), 7, "should be text, not 7"),
        (Name(fold_account, may_be_empty=True), "a b", "an account name has only"),
        (Whole(0, 3), 10**90, f"not 1{'0' * 59}$"),
    ],
)
def test_what_is_not_allowed_is_refused_with_the_reason(kind: Kind, value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        kind.checked(value)


def test_a_wrong_value_in_a_mapping_is_named_by_its_key() -> None:
    kind = ByKey(Choice(ROLES), Whole(0, 3))
    with pytest.raises(NotAllowed) as refused:
        kind.from_document({"chair": 4})
    assert (refused.value.path, refused.value.value) == (".chair", 4)


def test_what_the_terminal_shows() -> None:
    assert Flag("end-to-end", "to the server").shown(False) == "to the server"
    assert Maybe(Whole(0, 3), "default").shown(None) == "-"
    assert Name(fold_account, may_be_empty=True).shown("") == "-"
    assert Data(2).shown(b"\x01\xff") == "01ff"
    assert ByKey(Name(fold_account), Choice(ROLES)).shown({"a": Role.CHAIR, "b": Role.SPEAKER}) == "a=chair b=speaker"
    assert ByKey(Name(fold_account), Choice(ROLES)).shown({}) == "-"


def test_placeholders_of_options() -> None:
    assert Maybe(Whole(0, 3), "default").metavar == "N"
    assert Maybe(Choice(("a", "b")), "none").metavar == "{a,b,none}"
