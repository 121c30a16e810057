"""The files of a client that it trusts: its device, the servers and the devices that it knows."""
