import pytest

from tcproto.account import DEFAULT_MEMORY, DEFAULT_PASSES, Challenge
from tcproto.messages import Role
from tcserver.records import Account, StoreError
from tcserver.storage.agency_list import MAX_LIST_BYTES, MAX_LIST_ROWS, Agency, read_agencies

SALT = b"s" * 16


@pytest.mark.parametrize(
    "content",
    [
        "name,display,role\nKantor-1,Kantor Satu,\nkantor-2,Kantor Dua,Chair\n",
        "\ufeffname;display;role\r\nkantor-1;Kantor Satu;\r\nkantor-2;Kantor Dua;chair\r\n",
        'Display,Name,Role\n"Kantor Satu",kantor-1,""\n\n,,\nKantor  Dua, kantor-2 ,chair',
    ],
)
def test_agency_lists_in_the_forms_that_spreadsheets_write(content: str) -> None:
    assert read_agencies(content.encode(), []) == [
        Agency("kantor-1", "Kantor Satu", None),
        Agency("kantor-2", "Kantor Dua", Role.CHAIR),
    ]


SEPARATORS = [
    "name;display;role;;;\r\nkantor-1;Kantor Satu;;;;\r\nkantor-2;Kantor Dua;chair;;;\r\n;;;;;\r\n",
    "sep=;\r\nname;display;role\r\nkantor-1;Kantor Satu;\r\nkantor-2;Kantor Dua;chair\r\n",
    "\ufeffSEP=,\nname,display,role\nkantor-1,Kantor Satu,\nkantor-2,Kantor Dua,chair\n",
    '"sep=|"\nname|display|role\nkantor-1|Kantor Satu|\nkantor-2|Kantor Dua|chair\n',
    "sep=\t\n\nname\tdisplay\trole\nkantor-1\tKantor Satu\t\nkantor-2\tKantor Dua\tchair\n",
    "\ufeff\ufeffname,display,role\nkantor-1,Kantor Satu,\nkantor-2,Kantor Dua,chair\n",
    "name\tdisplay\trole\nkantor-1\tKantor Satu\t\nkantor-2\tKantor Dua\tchair\n",
    "\r\n\r\nname,display,role\r\nkantor-1,Kantor Satu,\r\nkantor-2,Kantor Dua,chair\r\n",
    ";;;\n;;;\nname;display;role;\nkantor-1;Kantor Satu;;\nkantor-2;Kantor Dua;chair;\n",
    ",name,,display,role\n,kantor-1,,Kantor Satu,\n,kantor-2,,Kantor Dua,chair\n",
    "name,display,role,,\nkantor-1,Kantor Satu,\nkantor-2,Kantor Dua,chair,,,,\n",
    '"","",""\n"name","display","role",""\n"kantor-1","Kantor Satu","",""\n"kantor-2","Kantor Dua","chair"\n',
]


MACINTOSH = 'name;display\ra;"A, B, C, D"\rb;B\r'


def test_lines_may_end_as_on_old_machines_and_cells_have_other_separators() -> None:
    assert read_agencies(MACINTOSH.encode(), []) == [Agency("a", "A, B, C, D", None), Agency("b", "B", None)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_a_list_in_another_unicode_encoding_is_named_as_such(encoding: str) -> None:
    with pytest.raises(StoreError, match=r"line 1: not UTF-8.*save the file as CSV UTF-8"):
        read_agencies("name,display\na,A\n".encode(encoding), [])


@pytest.mark.parametrize("content", SEPARATORS)
def test_what_spreadsheets_put_around_a_table_is_passed_over(content: str) -> None:
    assert read_agencies(content.encode(), []) == [
        Agency("kantor-1", "Kantor Satu", None),
        Agency("kantor-2", "Kantor Dua", Role.CHAIR),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("sep=;\nname,display\na,A\n", "line 2: the columns .* not 'name,display'"),
        ("\n\nname;colour\n", "line 3: the columns .* not 'name,colour'"),
        ("name;display;;\na;A;;\nb;B;;x\n", "line 3: 'x' stands in a column without a name"),
        ("sep=;\nname;display\na;A\nb;B;;x\n", "line 4: 4 fields instead of 2"),
        ("name,display,role\na,A\n", "line 2: 2 fields instead of 3"),
        ("sep=;\n", "line 2: the columns"),
        (";;;\n", "line 1: the columns .* 'nothing'"),
        ("sep=;\n\n\nname;display\na;A\n\na b;B", "line 7: an account name"),
    ],
)
def test_lines_are_counted_as_the_file_has_them(content: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        read_agencies(content.encode(), [])


def test_the_role_may_be_left_out() -> None:
    assert read_agencies(b"name,display\na,A\n", []) == [Agency("a", "A", None)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "line 1: the columns"),
        (b"kantor-1,Kantor Satu\n", "line 1: the columns"),
        (b"name\nkantor-1\n", "line 1: the columns"),
        (b"name,display,colour\n", "line 1: the columns"),
        (b"name,name,display\n", "line 1: the columns"),
        (b"name,display\n", "line 2: the file names no agency"),
        (b"name,display\na,A,B\n", "line 2: 3 fields instead of 2"),
        (b"name,display\na,A\nb c,B\n", "line 3: an account name has only"),
        (b"name,display\na,\n", "line 2: a display name has"),
        (b"name,display,role\na,A,king\n", "line 2: the role 'king' is none of admin, chair"),
        (b"name,display\na,A\nA,B\n", "line 3: the name 'a' exists or looks like 'a'"),
        (b"name,display\ntaken,A\n", "line 2: the name 'taken' exists or looks like 'taken'"),
        (b"name,display\ntak3n,A\n\ntaken_,A", "line 4"),
        (b"name,display\nadmin,A\n", "line 2: the name 'admin' is reserved"),
        (b'name,display\na,"A\n', "line 2: unexpected end"),
        (b"name,display\na,\xff\n", "line 2: not UTF-8"),
        (b"x" * (MAX_LIST_BYTES + 1), "more than 4194304 bytes"),
        (
            b"name,display\n" + b"".join(b"a%d,A\n" % n for n in range(22_222) if b"0" not in b"%d" % n),
            "line 10002: more than 10000 agencies",
        ),
    ],
)
def test_a_bad_list_is_refused_with_line_and_reason(content: bytes, reason: str) -> None:
    existing = [Account("taken", "Taken", Challenge(SALT, DEFAULT_MEMORY, DEFAULT_PASSES), b"k" * 32)]
    with pytest.raises(StoreError, match=reason):
        read_agencies(content, existing)


def test_the_longest_list() -> None:
    names = (f"a{number:05}".replace("1", "x") for number in range(100_000) if "0" not in str(number))
    rows = "".join(f"{next(names)},A\n" for _ in range(MAX_LIST_ROWS))
    assert len(read_agencies(f"name,display\n{rows}".encode(), [])) == MAX_LIST_ROWS
