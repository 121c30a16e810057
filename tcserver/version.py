"""Which version this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Return the installed version, or that there is none."""
    try:
        return metadata.version("teleconference")
    except metadata.PackageNotFoundError:
        return "of a source tree"
