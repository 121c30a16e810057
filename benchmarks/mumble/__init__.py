"""Mumble beside which our server is measured: its server in a process of its own, and light clients written here.

From the public documentation of the protocol (mumble-protocol.readthedocs.io) and its message definitions.
"""
