"""What a process of the server measures and logs."""
