"""The device interface, and the devices that come with the host package.

Others add devices by the entry point group `fpga_rt.devices`.
"""
