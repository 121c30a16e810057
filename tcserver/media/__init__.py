"""The fan-out core: opens each arriving datagram once, seals it once, and sends the same bytes to everybody."""

from tcserver.media.forwarding.drops import Counters, Drop, Fault
from tcserver.media.forwarding.receivers import ReceiverSet, Transmission
from tcserver.media.plane.plane import MediaPlane

__all__ = ["Counters", "Drop", "Fault", "MediaPlane", "ReceiverSet", "Transmission"]
