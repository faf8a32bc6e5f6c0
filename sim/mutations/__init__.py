"""Mutations of the netlist: whether the scenarios of a swap notice what is wrong with the gateware.

    python -m sim.mutations [--count N] [--seed S] [--output FILE]

Yosys changes one bit of the netlist at a time: stuck at 0, stuck at 1, inverted. One simulation
library holds all of these mutants behind an input that selects one of them. A mutant is killed when
one of the scenarios ends in another way than without it. Where the mutants lie is drawn by lot from
the modules that a swap needs, see `netlist.MODULES`; nothing is picked.
"""
