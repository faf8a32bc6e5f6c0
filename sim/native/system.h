// The C interface of the simulator, as `sim/system.py` calls it.
//
// A function that can fail returns a negative number (or null) and leaves the reason in
// `system_error`.
#pragma once

#include <cstdint>

#include "partition.h"

extern "C" {

struct SystemConfig {
    const char *top;    // library of the static region and the configuration port
    const char *waves;  // folder for VCD files, null for none
    uint8_t *dram;
    uint64_t dram_base;
    uint64_t dram_size;
    uint64_t clock_ps;
    uint64_t icap_ps;
    uint64_t start_ps;  // simulated time at which it begins
    uint64_t seed;
    const BoundaryWire *boundary;
    uint32_t boundary_wires;
    uint32_t partitions;
    uint32_t access_clocks;  // of a register access
    uint32_t pass_over;      // whether to pass over clocks in which nothing moves
    uint32_t check;          // whether to check that the boundary settles in one pass
};

struct Event {
    uint64_t time_ps;
    uint32_t kind;
    uint32_t partition;
};
}
