"""`fpga-rt update`: one file a command, what they share in `arguments`."""

COMMANDS = {
    "key": "make the pair of keys that updates are signed and checked with",
    "install": "make the store of a device, which begins with an archive and trusts a key",
    "make": "make a signed package that leads from one version of a network to the next",
    "train": "adapt a network to samples of what a device sees, and make the package",
    "inspect": "show what a package holds and who signed it",
    "apply": "check a package, try it on the device, and switch to it or refuse it",
    "status": "show what a store holds: versions, keys, bytes, what happened last",
    "rollback": "go back to the version before",
    "export": "write the active version as an archive",
}
