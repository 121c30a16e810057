"""Lanes: the ways by which datagrams leave the media plane, whatever carries them."""
