"""What the scripted server forwards, and what clients receive of it."""

from tcproto.datagram import open_datagram


def payloads(client):
    return [packet.payload for packet in client.take_media()]


def undelivered(server, client, count=1, payload=b"voice"):
    """Speak, and return the room datagrams, which were not delivered."""
    before, server.deliver = len(server.forwarded), False
    for _ in range(count):
        assert client.speak(payload=payload)
    server.deliver = True
    return server.forwarded[before:]


def give(client, *datagrams, now=None):
    for data in datagrams:
        client.session.receive_datagram(data, client.server.now if now is None else now)
    client.collect()
    return payloads(client)


def packet_in(server, datagram):
    """Return the packet in a room datagram."""
    return open_datagram(datagram, server.room_key)[4 + 3 :]


def packet_types(server):
    """Return the types of the packets that the server has forwarded."""
    return {packet_in(server, data)[0] >> 4 for data in server.forwarded}


def spend_beacons(server):
    """Let the first seconds pass, in which beacons come."""
    server.advance(4)
    for client in server.clients:
        client.take_media()
