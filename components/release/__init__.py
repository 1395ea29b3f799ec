"""Package and register a model."""
