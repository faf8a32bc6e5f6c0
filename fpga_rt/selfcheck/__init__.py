"""The self-check of a device: every module in every partition, a known network, measurements.

From the bottom up:

- `checks`: a check, its result, and what goes on when one fails.
- `bitstreams`: what there is to load. `swaps`: one load, step by step, with its times.
- `ports`: rate and set-up of a port, by a fit. `contention`: the same beside a program.
- `streaming`: a program that does nothing but move data; `memory`: clock, latency and rates by it.
- `network`: a small network that uses every kind of layer; its outputs equal golden execution.
- `report`: what all of it found, as a file; `selfcheck`: one after the other.
"""
