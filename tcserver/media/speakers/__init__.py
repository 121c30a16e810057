"""Who speaks, and which of them are forwarded."""
