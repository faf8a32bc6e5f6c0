"""Unknown or random values on the boundary of a partition that is being reconfigured."""
