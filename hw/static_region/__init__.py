"""The half of the design that is never swapped."""
