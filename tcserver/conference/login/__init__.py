"""Connections, the login, and the sessions that follow it."""
