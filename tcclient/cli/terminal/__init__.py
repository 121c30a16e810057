"""The terminal in which a user attends a room."""
