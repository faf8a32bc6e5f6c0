"""The simulator that is itself partially reconfigured, and the benches that test the gateware."""
