"""The executor on one machine: graph, cache, workers, progress."""
