"""The host half of every reconfigurable module, one file each.

A module says which layers it can compute, what it needs of the fabric, how its parameters are
packed, what its commands mean and exactly how many cycles they take. The gateware half of the
same name obeys the same numbers. Others add modules by the entry point group `fpga_rt.modules`.
"""
