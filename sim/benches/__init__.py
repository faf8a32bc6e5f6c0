"""Benches of the gateware under Icarus, in four values, with cocotbext-axi as the other side.

    decoupler.py   bench: the decoupler by itself
    controller.py  bench: configuration controller and configuration port, ICAPE2 or ICAPE3
    region.py      bench: the whole static region, swapped while it works
    parameters.py  bench: weights and tables that come while the region computes
    module.py      bench: a compute module on few lanes

    runner.py      builds a top module once and runs a bench on it
    tops.py        what stands around a component: modules, configuration port, monitors
    monitor.v      finds unknown values and broken handshakes, each clock
    faults.py      what the monitors have found
    system.py      the static region with memory, host, and modules that forget
    activity.py    when the controller loaded and the partitions computed
    host.py        what the host writes and reads, in its order
    memory.py      memory behind AXI ports, with random pauses
    programs.py    commands for small modules, and what they have to compute
    streams.py     bitstreams for the bench's modules, good and broken

`python -m sim.benches.runner region build/region --seed 3` runs one with a seed.
"""
