"""How the client reaches a server: connection, UDP socket, event loop, retries."""
