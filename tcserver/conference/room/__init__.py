"""One room: who sits in it, what they publish, what they are told."""
