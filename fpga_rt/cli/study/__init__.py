"""`fpga-rt study`: one file a command."""

COMMANDS = {
    "run": "evaluate every point of a study file, over all cores",
    "break-even": "find from where on reconfiguration pays, and where it loses",
    "trace": "run points on the emulator, for timelines, distributions and Perfetto",
    "report": "write a study's results as one page",
    "loadgen": "have MLPerf LoadGen send queries to a deployment",
    "change": "show what a change of network costs published designs",
    "swap": "show how long a swap takes by each port, and which part of it is whose",
    "batch": "choose the images of a request: loads hidden, or fastest under a deadline",
    "budget": "show where a swap sits in an end-to-end latency budget",
}
