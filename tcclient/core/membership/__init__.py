"""Who is in the room, and whether that can be believed."""
