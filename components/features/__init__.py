"""Extract and select features."""
