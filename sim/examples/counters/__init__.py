"""A design of two counters that take turns in one partition."""
