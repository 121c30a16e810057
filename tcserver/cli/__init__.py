"""The command line of the server: what an operator types."""
