"""The plain sender: one system call for each receiver. Works everywhere."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tcserver.media.udp.sender import Blocked, Run, Sender


class PlainSender(Sender):
    """Sends with ``sendto``, single datagrams only."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def send_run(self, local: int, run: Run) -> None:
        """Send to the receivers of a run; raises ``Blocked``."""
        sendto = self._sockets[local].sendto
        addresses = run.receivers.addresses
        for slot in range(run.start, run.stop):
            _, host, port = addresses[slot % len(addresses)]
            # A second try: an error may be a late one of an earlier datagram, and reading it clears it.
            for last in (False, True):
                try:
                    sendto(run.payload, (host, port))
                except BlockingIOError:
                    raise Blocked(slot) from None
                except ConnectionRefusedError as error:
                    if last:
                        self.lose(error.errno or 0)
                    continue
                except OSError as error:
                    self.lose(error.errno or 0)
                else:
                    self.sent += 1
                break
