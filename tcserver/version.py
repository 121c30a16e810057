"""The version of the product."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """Return the installed version, or words that say that nothing is installed."""
    try:
        return metadata.version("teleconference")
    except metadata.PackageNotFoundError:
        return "of a source tree"
