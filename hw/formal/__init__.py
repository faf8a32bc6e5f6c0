"""Proofs: properties of the blocks as components, and the tool that proves or refutes them."""
