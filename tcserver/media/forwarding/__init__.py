"""The media plane: from one arriving datagram to one sealed datagram for a set of receivers."""
