"""The demonstration: a real server, real participants in processes of their own, and an account of what each received."""
