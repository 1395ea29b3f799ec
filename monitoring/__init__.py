"""Drift rules and their verdicts."""
