"""Pieces that static region and modules are made of."""
