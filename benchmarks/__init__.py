"""Benchmarks: one command for each question, with a table, JSON, and a picture where matplotlib is installed."""
