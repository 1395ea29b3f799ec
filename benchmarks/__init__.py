"""Measurements against named baselines: `make bench`."""
