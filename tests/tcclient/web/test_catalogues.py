"""The sentences of the page: one for each error code, and none that nothing shows."""

import json
import re
from pathlib import Path

import pytest

from tcproto.errors import ErrorCode

PAGE = Path(__file__).parents[3] / "tcclient" / "web" / "src" / "page"
CATALOGUES = {path.stem: json.loads(path.read_text()) for path in (PAGE / "catalogues").glob("*.json")}


@pytest.mark.parametrize("language", ["en", "id"])
def test_each_error_code_has_a_sentence(language: str) -> None:
    missing = [code for code in ErrorCode if not CATALOGUES[language].get(f"error.{code}", "").endswith(".")]
    assert missing == []


def test_each_key_is_used() -> None:
    source = "\n".join(path.read_text() for path in PAGE.glob("*.ts"))
    literals = set(re.findall(r'"([a-z_]+(?:\.\w+)+)"', source))
    # ``t(`error.${code}`)``: a placeholder stands for one part of the key.
    patterns = [
        re.compile(re.sub(r"\\\$\\\{[^}]*\\\}", r"[\\w.]+", re.escape(text)))
        for text in re.findall(r"`((?:[a-z_]+\.|\$\{question\}\.)[\w.${}]+)`", source)
    ]
    unused = [key for key in CATALOGUES["en"] if key not in literals and not any(p.fullmatch(key) for p in patterns)]
    assert unused == []
