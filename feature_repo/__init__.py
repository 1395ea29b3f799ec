"""Feast objects made from a project, and the ASOF offline store."""
