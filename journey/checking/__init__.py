"""What can be wrong with a project, found without running any of it."""
