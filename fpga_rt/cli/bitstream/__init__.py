"""`fpga-rt bitstream`: one file a command, what they share in `files`, `region` and `frames`."""

COMMANDS = {
    "inspect": "show what a bitstream holds: header, part, segments, frames, CRCs",
    "verify": "check every word, and that all frames lie in a region",
    "locate": "show the partitions, columns and rows that a bitstream touches",
    "diff": "compare the frames of two bitstreams",
    "shrink": "write a bitstream with fewer words and the same final frames",
    "size": "predict frames, bytes and load times of a region, and lint a pblock",
    "convert": "write the plain words that fpga_manager or a port takes",
    "import": "verify a partial that vendor tools built, and register it for a partition",
}
