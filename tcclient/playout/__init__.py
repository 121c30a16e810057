"""Turns the packets of all speakers into sound that is played."""
