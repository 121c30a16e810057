"""What recordings and the wire are measured with, for the benchmark of quality."""
