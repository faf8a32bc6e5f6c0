"""What host and gateware both obey: register map, command descriptors, tables, sequencing.

Plain frozen data and pure functions. The gateware's registers, the host's accessors, the
simulation's checks and the reference documentation are all generated from here.
"""
