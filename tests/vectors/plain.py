"""Values as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Vectors = dict[str, Any]


def plain(value: Any) -> Any:
    """``value`` for JSON: bytes in hexadecimal, named tuples as objects."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(field) for name, field in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: plain(field) for name, field in value.items()}
    if isinstance(value, list | tuple):
        return [plain(element) for element in value]
    return value
