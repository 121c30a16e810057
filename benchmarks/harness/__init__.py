"""What benchmarks are made of: loads, light clients, processes, reports."""
