"""Metrics: in each file, a pure function on arrays or records and a thin class around it."""
