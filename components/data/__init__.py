"""Ingest, validate, clean, standardize and curate data."""
