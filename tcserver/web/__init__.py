"""What the server offers to browsers, and to clients that cannot use UDP: HTTPS, and the stream path."""
