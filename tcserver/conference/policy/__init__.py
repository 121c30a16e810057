"""What a room decides by itself: roles, cameras, the number of speakers, sealers."""
