"""`fpga-rt study`: one file a command."""

COMMANDS = {
    "run": "evaluate every point of a study file, over all cores",
    "trace": "run points on the emulator, for timelines, distributions and Perfetto",
    "report": "write a study's results as one page",
    "budget": "show where a swap sits in an end-to-end latency budget",
}
