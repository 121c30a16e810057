"""Fan-out in the kernel: a BPF program that makes the copies of a datagram, and what it has to know of the network."""
