"""Facts about the hardware: families, devices, frames, packets, floorplans, ports and boards.

Everything that a plan says about area, bytes and load time is computed from here. The data files
in `data/` are read when they are asked for, so importing costs nothing.
"""
