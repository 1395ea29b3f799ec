"""Identify, check, train, validate, evaluate, tune and choose models."""
