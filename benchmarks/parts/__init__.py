"""Measurements that are parts of benchmarks."""
