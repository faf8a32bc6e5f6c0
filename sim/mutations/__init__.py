"""Mutations of the netlist: whether the scenarios of a swap notice what is wrong with the gateware.

    python -m sim.mutations [--count N] [--seed S] [--output FILE]

Yosys changes one bit of the netlist at a time: stuck at 0, stuck at 1, inverted. One simulation
library holds all of these mutants behind an input that selects one of them. A mutant is killed when
the time-stamped log of a scenario differs from the intact design's: what is noticed is that it does
something else, or at another time, and nothing judges whether that is wrong. That is for the
`properties`, which name what was violated without another design to compare with. Where the mutants
lie is drawn by lot from the modules that a swap needs, see `netlist.MODULES`; nothing is picked.
"""
