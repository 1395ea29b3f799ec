"""Journey: from raw data to a model in production that looks after itself."""

from journey.declarations import candidate, feature_view, label

__all__ = ["candidate", "feature_view", "label"]
