import dataclasses
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcserver.config.configuration import (
    ENVIRONMENT_PREFIX,
    MAX_FILE_BYTES,
    Change,
    ConfigurationError,
    Sources,
    changes,
    dump,
    get,
    merge_live,
    settings,
)
from tcserver.config.sections import Configuration

KEYS = [known.key for known in settings()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tcserver.toml"


def test_without_sources_the_defaults_stand() -> None:
    configuration = Sources().load()
    assert configuration == Configuration()
    assert configuration.server.port == 7433
    assert configuration.server.addresses == ()
    assert configuration.rooms.unused_close_s == 300


def test_every_default_is_allowed_and_every_key_says_what_it_is(file: Path) -> None:
    file.write_text(dump(Configuration()))
    assert Sources(file).load() == Configuration()
    for known in settings():
        assert known.help, known.key
        assert known.kind.checked(known.default) == known.default, known.key


def test_variables_name_one_key_each() -> None:
    assert len({key.replace(".", "_") for key in KEYS}) == len(KEYS)


def test_later_sources_win(file: Path) -> None:
    file.write_text('[server]\nport = 1\ndata = "/file"\n[log]\nlevel = "debug"\n')
    sources = Sources(
        file,
        {"TCSERVER_SERVER_PORT": "2", "TCSERVER_SERVER_DATA": "/environment", "HOME": "/home/op"},
        {"server.port": "3"},
    )
    configuration = sources.load()
    assert configuration.server.port == 3
    assert configuration.server.data == "/environment"
    assert configuration.log.level == "debug"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.addresses", "127.0.0.1, ::1", ("127.0.0.1", "::1")),
        ("server.addresses", "", ()),
        ("web.hosts", "rapat.example, Meet.example", ("rapat.example", "Meet.example")),
        ("web.trusted_proxies", "127.0.0.1,192.0.2.0/24,2001:db8::/32", ("127.0.0.1", "192.0.2.0/24", "2001:db8::/32")),
        ("rooms.temporary", "false", False),
        ("rooms.temporary", "true", True),
        ("rooms.empty_close_s", "1.5", 1.5),
        ("server.public_host", "conference.example", "conference.example"),
        ("server.public_host", "rapat.b\u00fcro.example", "rapat.b\u00fcro.example"),
        ("server.public_host", "2001:db8::1", "2001:db8::1"),
        ("server.public_host", "", ""),
        ("login.max_sessions", "7", 7),
        ("media.sender", "sendto", "sendto"),
        ("media.receiver", "gro", "gro"),
    ],
)
def test_text_is_read_by_the_type_of_the_key(key: str, text: str, value: object) -> None:
    assert get(Sources(flags={key: text}).load(), key) == value
    variable = ENVIRONMENT_PREFIX + key.replace(".", "_").upper()
    assert get(Sources(environment={variable: text}).load(), key) == value


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("server.port", "70000", "flag: server.port should be a whole number from 0 to 65535, not '70000'"),
        ("server.port", "-1", "a whole number from 0 to 65535"),
        ("server.port", "1.5", "a whole number"),
        ("server.port", "", "a whole number"),
        ("login.time_limit_s", "nan", "a number from 1 to 120"),
        ("limits.chat_per_s", "0", "a number from 0.01 to 100, not '0'"),
        ("rooms.temporary", "maybe", "true or false"),
        ("media.sender", "pigeon", "one of auto, gso, sendmmsg, sendto, bpf, not 'pigeon'"),
        ("server.addresses", "localhost", "a list of at most 16 different IP addresses"),
        ("server.addresses", ",".join(["::1"] * 17), "at most 16"),
        ("server.addresses", "127.0.0.1,::1,0::1", "different IP addresses, not '127.0.0.1,::1,0::1'"),
        ("web.hosts", "rapat.example:443", "a list of at most 16 different host names, without ports"),
        ("web.hosts", "rapat.example,RAPAT.example", "different host names"),
        ("web.trusted_proxies", "192.0.2.1/24", "IP addresses or networks such as 192.0.2.0/24, not '192.0.2.1/24'"),
        ("web.trusted_proxies", "proxy.example", "IP addresses or networks"),
        ("server.public_host", "a b/c", "a host name or an IP address, in quotes and without a port, not 'a b/c'"),
        ("server.public_host", "conference.example:7433", "without a port"),
        ("server.public_host", "[::1]", "a host name or an IP address"),
        ("server.public_host", "a..example", "a host name or an IP address"),
        ("server.public_host", "x" * 64, "a host name or an IP address"),
        ("web.address", "", "web.address is no setting"),
        ("server.data", "a\x00b", "text in quotes"),
        ("server.data", "x" * 5000, "text in quotes"),
        ("server.speed", "1", "server.speed is no setting"),
        ("speed", "1", "speed is no setting"),
    ],
)
def test_bad_flags_are_refused_with_key_and_range(key: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Sources(flags={key: text}).load()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("port = 1", "port stands outside a section"),
        ("[server]\nport = '1'", r"server\.port should be a whole number"),
        ("[server]\nport = true", r"server\.port should be a whole number"),
        ("[server]\nport = 1.0", r"server\.port should be a whole number"),
        ("[server]\naddresses = '::1'", "a list of"),
        ("[server]\naddresses = [1]", "a list of"),
        ("[web]\nhosts = ['']", "a list of"),
        ("[web]\ntrusted_proxies = [7]", "a list of"),
        ("[server]\ndata = 2020-01-01", "text in quotes"),
        ("[server]\nport = true", "not true$"),
        ("[server]\nport = 2020-01-01", "not 2020-01-01$"),
        ("[server]\nport = 2020-01-01T10:00:00Z", r"not 2020-01-01 10:00:00\+00:00$"),
        ("[server]\nport = nan", "not nan$"),
        ("[server]\nport = [1.5, 'x\u202e']", r'not \[1\.5, "x\\U0000202e"\]$'),
        ("[server.port]\nx = 1", r'not \{"x" = 1\}$'),
        ("[server.x]", r"server\.x is no setting"),
        ("[speed]", r"\[speed\] is no section"),
        ("[rooms]\ntemporary = 1", "true or false"),
        ("[speed]\nlimit = 1", r"speed\.limit is no setting"),
        ("[server", "not TOML"),
        ("#" * (MAX_FILE_BYTES + 1), "more than"),
        ("[log]\nlevel = 3", r"log\.level should be one of debug, info, warning, error, not 3$"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_key(file: Path, content: str, reason: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        Sources(file).load()
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_file_of_an_editor_that_marks_the_byte_order(file: Path) -> None:
    file.write_text("[server]\nport = 5", encoding="utf-8-sig")
    assert Sources(file).load().server.port == 5


def test_a_whole_number_stands_for_a_number(file: Path) -> None:
    file.write_text("[rooms]\nempty_close_s = 5")
    assert Sources(file).load().rooms.empty_close_s == 5.0


def test_a_missing_file_is_an_error_only_where_it_was_asked_for(file: Path, tmp_path: Path) -> None:
    assert Sources(file, required=False).load() == Configuration()
    assert Sources(Path("/dev/null/tcserver.toml"), required=False).load() == Configuration()  # such a home is usual
    with pytest.raises(ConfigurationError, match="no such file"):
        Sources(file).load()
    with pytest.raises(ConfigurationError, match="Is a directory"):
        Sources(tmp_path).load()


def test_a_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="not TOML"):
        Sources(file).load()


def test_unknown_variables_are_refused_and_foreign_ones_ignored() -> None:
    with pytest.raises(ConfigurationError, match="TCSERVER_SERVER_PROT is no"):
        Sources(environment={"TCSERVER_SERVER_PROT": "1"}).load()
    assert Sources(environment={"PORT": "x"}).load() == Configuration()


def test_what_cannot_be_printed_is_shown_escaped() -> None:
    with pytest.raises(ConfigurationError, match=r"not 'a\\nb\\x1b'$"):
        Sources(flags={"server.data": "a\nb\x1b"}).load()


@given(data=st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=50))
def test_a_dump_reads_back_as_what_was_dumped(data: str) -> None:
    flags = {"server.data": data, "server.addresses": "::1,10.0.0.1"} if data.isprintable() else {}
    configuration = Sources(flags=flags).load()
    document = tomllib.loads(dump(configuration))
    assert document["server"]["data"] == configuration.server.data
    assert [f"{section}.{name}" for section, values in document.items() for name in values] == KEYS


def test_a_reload_applies_what_is_live_and_names_the_rest() -> None:
    old = Configuration()
    new = Sources(flags={"server.port": "1", "log.level": "debug", "rooms.max_rooms": "3"}).load()
    assert changes(old, new) == [
        Change("server.port", live=False),
        Change("rooms.max_rooms", live=True),
        Change("log.level", live=True),
    ]
    merged = merge_live(old, new)
    assert (merged.server.port, merged.log.level, merged.rooms.max_rooms) == (7433, "debug", 3)
    assert changes(merged, new) == [Change("server.port", live=False)]
    assert changes(new, new) == []


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Configuration().server.port = 1  # type: ignore[misc]
