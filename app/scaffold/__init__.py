"""New projects: a small one that runs, or one guessed from a CSV file."""
