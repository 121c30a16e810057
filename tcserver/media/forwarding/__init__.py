"""From one packet of a seat to one sealed datagram for a set of receivers: rooms, seats, streams and their keys."""
