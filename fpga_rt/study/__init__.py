"""Latency studies: workloads, sweeps over what a device could be, and schedules held to the best.

Everything here stands on predictions of the planner; nothing in it is needed to run a network.
"""
