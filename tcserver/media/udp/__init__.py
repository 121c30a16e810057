"""UDP sockets of the media plane: lanes on the way out, readers on the way in, and what the kernel offers for them."""
