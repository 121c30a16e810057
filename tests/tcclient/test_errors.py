"""The errors of the library, as programs catch them."""

from pathlib import Path

import pytest

from tcclient import errors
from tcclient.core.events import Closed
from tcproto.errors import Action, ErrorCode


def test_an_error_has_a_text_a_code_and_what_to_do() -> None:
    error = errors.LoginRefused("too many", ErrorCode.TOO_MANY_SESSIONS, Action.RECONNECT, 500)
    assert (str(error), error.code, error.action, error.retry_after_ms) == (
        "too many",
        ErrorCode.TOO_MANY_SESSIONS,
        Action.RECONNECT,
        500,
    )


def test_the_end_of_a_seat_is_an_error_that_says_the_same() -> None:
    error = errors.closed_error(Closed(ErrorCode.SHUTDOWN, "bye", Action.RECONNECT, 7))
    assert type(error) is errors.RoomClosed
    assert (str(error), error.code, error.action, error.retry_after_ms) == (
        "bye",
        ErrorCode.SHUTDOWN,
        Action.RECONNECT,
        7,
    )


def test_a_server_that_lied_is_an_error_of_its_own() -> None:
    error = errors.closed_error(Closed(ErrorCode.UNEXPECTED_MESSAGE, "without us", Action.STOP, 0, dishonest=True))
    assert type(error) is errors.DishonestServer
    assert error.action is Action.STOP


def test_a_wrong_value_is_a_value_error_and_changes_nothing() -> None:
    error = errors.WrongValue("no room")
    assert isinstance(error, ValueError)
    assert (error.code, error.action) == (ErrorCode.BAD_REQUEST, Action.NONE)


def test_a_request_without_a_reply_has_no_code() -> None:
    assert errors.NoReply("no answer").code is None


@pytest.mark.parametrize(
    "kind",
    [errors.SourceError, errors.MediaFileError, errors.RecordingError, errors.DeviceError],
)
def test_an_error_of_media_has_no_code(kind: type[errors.MediaError]) -> None:
    error = kind("broken")
    assert isinstance(error, errors.MediaError)
    assert (error.code, error.action) == (None, Action.NONE)


def test_errors_of_keys_name_the_fingerprints() -> None:
    found, known = bytes(range(20)), bytes(20)
    wrong = errors.WrongServer("host", known, found, "the link", "Ask.")
    assert wrong.fingerprint == found
    assert "the link says" in str(wrong)
    assert str(wrong).endswith("Ask.")
    trap = errors.LinkContradictsPin("host:7433", known, found)
    assert (trap.fingerprint, trap.pinned) == (found, known)
    assert "tcclient forget host:7433" in str(trap)
    assert errors.UntrustedServer("host", found).fingerprint == found


def test_one_line_stays_one_line_whatever_the_file_is_called() -> None:
    assert errors.one_line(Path("a\nb"), OSError(2, "No such file")) == "a?b: No such file"
    assert errors.one_line(Path("x"), "damaged\x1b[2J") == "x: damaged?[2J"
