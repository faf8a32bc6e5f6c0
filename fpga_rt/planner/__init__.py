"""From a network and a floorplan to a deployment: pure functions, no device.

Layers are fused and given to modules, modules to partitions; feature maps get addresses, commands
their waits. The same package predicts when everything runs and holds the scheduling policies.
"""
