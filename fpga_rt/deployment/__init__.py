"""The deployment: everything needed to run one network on one floorplan, and its archive."""
