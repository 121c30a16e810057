"""The demonstration: a real server, participants in processes of their own, and an account of what arrived."""
