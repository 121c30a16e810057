"""Whether something keeps the clock of this machine right."""

from __future__ import annotations

import ctypes

_TIMEX_BYTES = 512
"""More than the 208 bytes of ``struct timex``. All zero it asks, and changes nothing."""
_TIME_ERROR = 5
"""What ``adjtimex`` returns for a clock that is not synchronised: adjtimex(2)."""


def is_synchronised() -> bool | None:
    """Return whether the kernel was told of a right time (by NTP, for example) of late; None where it does not say."""
    try:
        state: int = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (AttributeError, OSError, TypeError):
        return None
    return None if state < 0 else state != _TIME_ERROR
