"""From the packets of all speakers to sound that is played."""
