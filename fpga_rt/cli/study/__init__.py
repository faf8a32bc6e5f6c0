"""`fpga-rt study`: one file a command."""

COMMANDS = {
    "run": "evaluate every point of a study file, over all cores",
}
