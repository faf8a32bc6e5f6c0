"""The runtime: deployments on a device, modules swapped in and out of partitions."""
