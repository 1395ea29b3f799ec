"""Journey: from raw data to a model in production that looks after itself."""
