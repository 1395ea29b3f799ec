"""What a step that acts on the world is handed as an argument."""
