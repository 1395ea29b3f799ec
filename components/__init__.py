"""The verbs: every step of the lifecycle."""
