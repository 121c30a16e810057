from __future__ import annotations

import pytest

from tcproto.errors import CODES, Action, CryptoFailure, ErrorCode, ProtocolError, Refusal


def test_every_code_has_an_action_and_a_text() -> None:
    assert set(CODES) == set(ErrorCode)
    for code, info in CODES.items():
        assert code == code.name.lower()
        assert info.text.isprintable()
        assert 0 < len(info.text) <= 256
        assert isinstance(info.action, Action)


def test_a_later_version_s_words_have_a_meaning() -> None:
    assert ErrorCode("of_tomorrow") is ErrorCode.INTERNAL
    assert Action("of_tomorrow") is Action.STOP


@pytest.mark.parametrize("code", ErrorCode)
def test_errors_say_what_happened(code: ErrorCode) -> None:
    assert str(ProtocolError(code)) == f"{code}: {CODES[code].text}"
    error = ProtocolError(code, "detail")
    assert (error.code, error.detail, str(error)) == (code, "detail", f"{code}: detail")
    assert str(Refusal(code)) == f"{code}: {CODES[code].text}"
    refusal = Refusal(code, "text", 5)
    assert (refusal.code, refusal.text, refusal.retry_after_ms, str(refusal)) == (code, "text", 5, f"{code}: text")


def test_no_error_is_caught_as_another() -> None:
    tree = [ProtocolError, Refusal, CryptoFailure]
    for one in tree:
        assert not any(issubclass(one, other) for other in [*tree, ValueError] if other is not one)
