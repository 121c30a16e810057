"""The teleconference daemon: accounts, rooms and the media fan-out."""
