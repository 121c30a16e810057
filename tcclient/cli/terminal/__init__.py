"""The terminal in which somebody attends a room."""
