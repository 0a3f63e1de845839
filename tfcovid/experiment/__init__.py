"""A run from its Config to its report: the one place that sees all parts."""
