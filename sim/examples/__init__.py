"""Designs that show how to use the simulation library."""
