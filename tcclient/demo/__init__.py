"""The demonstration: a real server, participants in processes of their own, and a report of what arrived."""
