"""`fpga-rt geometry`: what is known of a device's columns and rows, and how to learn it."""

COMMANDS = {
    "learn": "derive a device's frame map from a compressed full bitstream",
}
