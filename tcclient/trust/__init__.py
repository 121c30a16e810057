"""What a client believes and keeps on disk: its device, the servers and the devices that it knows."""
