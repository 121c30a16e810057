"""The reference client: the library that people embed, and its command line."""
