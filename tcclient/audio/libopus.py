"""Finds the native Opus library, and binds it through opuslib.

opuslib asks ``ctypes.util.find_library("opus")`` at import, and fails where the system has no such library. The wheels
of PyAV, which the client needs anyway, contain one. It is preferred to the system's library: it is the same recent
version on every platform, and a search for the system's library starts a compiler or linker process on Linux.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tcclient.errors import MediaError


class OpusUnavailable(MediaError):
    """There is no usable libopus, or no opuslib. The text says what to install."""


class LibOpus(NamedTuple):
    """The modules of opuslib, bound to one native library."""

    package: Any
    """``opuslib``: the constants."""
    library: Any
    """The ``ctypes.CDLL``."""
    encoder: Any
    """``opuslib.api.encoder``."""
    decoder: Any
    """``opuslib.api.decoder``."""


def load() -> LibOpus:
    """Bind opuslib to the library of PyAV's wheel, else to the system's. Raise ``OpusUnavailable`` if neither loads.

    The search function of ctypes is replaced while opuslib is imported; for other names it answers as before. Call this
    while a module is being imported: the import lock then makes it run once, in one thread.
    """
    path = next((path for path in candidates() if _is_opus(path)), None)
    if path is None:
        raise OpusUnavailable(
            "no Opus library found: pip install av, or install libopus with the system's package manager"
        )
    search = ctypes.util.find_library
    ctypes.util.find_library = lambda name: path if name == "opus" else search(name)
    try:
        # opuslib compares integers with "is", which warns when it is compiled for the first time.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            package = importlib.import_module("opuslib")
            api = importlib.import_module("opuslib.api")
            encoder = importlib.import_module("opuslib.api.encoder")
            decoder = importlib.import_module("opuslib.api.decoder")
    except ImportError as error:
        raise OpusUnavailable("no Opus binding found: pip install opuslib") from error
    finally:
        ctypes.util.find_library = search
    # Apple's Arm64 passes variadic arguments on the stack, so ctypes must know which arguments are fixed.
    encoder.libopus_ctl.argtypes = (encoder.EncoderPointer, ctypes.c_int)
    return LibOpus(package, api.libopus, encoder, decoder)


def candidates() -> Iterator[str]:
    """Yield the paths where a library of Opus may be: PyAV's wheel first, then the system's."""
    spec = importlib.util.find_spec("av")
    if spec is not None and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        # auditwheel and delvewheel put libraries beside the package, delocate puts them inside it.
        for folder in (package.parent / "av.libs", package / ".dylibs"):
            yield from sorted(str(path) for path in folder.glob("*opus*") if "opusfile" not in path.name)
    system = ctypes.util.find_library("opus")
    if system is not None:
        yield system


def _is_opus(path: str) -> bool:
    try:
        return hasattr(ctypes.CDLL(path), "opus_encoder_create")
    except OSError:
        return False
