"""Wiring: which step follows which, and where they run."""
