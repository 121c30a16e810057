"""How many bits per second a way carries, by what arrives on it: down to us, or up to the server."""
