"""What gateware takes of the fabric, by open synthesis: estimates, not an implementation."""
