"""Parameter updates: make, sign, store, apply.

A package holds the rows of a network's parameters that changed, and the digests of what it starts
from and must arrive at. Making one needs the new network (`make`); taking one needs NumPy and what
verifies signatures (`store`), and a runtime to switch a network between two inferences (`live`).
"""
