"""A conference in virtual time: a clock, a network with faults, and real server and client cores on it."""
