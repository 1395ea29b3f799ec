"""The journey command, one file a subcommand."""
