"""Gateware in Amaranth: the static region, the modules, and the blocks that both are made of."""
