"""Configuration streams: what they are made of, how to read, verify and build them.

Everything works on plain streams of 7-series, UltraScale and UltraScale+ devices. From the bottom
up: `crc`, `packets` (the vocabulary), `sequence` (which frame follows which), `read`, `build` and
`verify`.
"""
