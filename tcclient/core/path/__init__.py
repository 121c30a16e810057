"""The path to the server: the ways of datagrams, whether they work, what leaves, and what is measured on it."""
