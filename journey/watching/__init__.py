"""What a server counts, and what those counts say."""
