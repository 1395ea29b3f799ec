"""Column rules in their two forms: a table's and a single value's."""
