"""The way into a cluster and back: a command runs in a Job beside the volume, and is told of on the laptop."""
