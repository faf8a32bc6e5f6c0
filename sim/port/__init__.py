"""The configuration port of the device as simulation RTL, and the frames that it knows."""
