"""What participants and operators ask for in a room."""
