"""Keys of media packets: our own, those of others, and those of the room."""
