"""Rate controls by the same rules: ours, and those that it is compared with."""
