"""From an accepted connection to a session."""
