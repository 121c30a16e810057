"""The fan-out core: opens each arriving datagram once, seals it once, and sends the same bytes to everybody."""

from tcserver.media.core import MediaPlane
from tcserver.media.drops import Counters, Drop, Fault
from tcserver.media.receivers import ReceiverSet, Transmission

__all__ = ["Counters", "Drop", "Fault", "MediaPlane", "ReceiverSet", "Transmission"]
