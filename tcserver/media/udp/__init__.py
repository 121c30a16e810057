"""UDP sockets of the media plane: readers, senders, and what the kernel offers."""
