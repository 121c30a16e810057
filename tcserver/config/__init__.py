"""The configuration of a server: every setting with its help, its range and its default."""
