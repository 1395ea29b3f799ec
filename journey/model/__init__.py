"""The packaged model: estimators, bundle, lookups, scoring."""
