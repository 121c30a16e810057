"""Settings of a conference in a test, by short names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tcserver.conference import Settings


def settings(base: Settings | None = None, **changes: object) -> Settings:
    """Return settings with changes: ``rooms__loudest=0`` for ``rooms.loudest``, no matter what its range is."""
    base = base or Settings()
    fields: dict[str, Any] = {}
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        if section:
            fields[section] = replace(fields.get(section, getattr(base, section)), **{key: value})
        else:
            fields[key] = value
    return replace(base, **fields)
