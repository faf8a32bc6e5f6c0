// The C interface of a Verilated library: one design, any number of instances.
#pragma once

#include <cstdint>

extern "C" {

// A port of the top module. `data` points at its value: 1, 2, 4 or 8 bytes, whichever holds `width`.
struct Port {
    const char *name;
    uint32_t width;
    uint32_t is_output;
    void *data;
};

// A part of an instance's state.
struct StateRange {
    void *data;
    uint64_t bytes;
};

// An instance. Its functions take the instance itself.
struct Model {
    const Port *ports;
    uint32_t port_count;
    const StateRange *state;  // all but large memories, see `Rest` in `rest.h`
    uint32_t state_count;
    void (*eval)(Model *);
    void (*dump)(Model *, uint64_t time_ps);  // null without traces
    void (*destroy)(Model *);
};

// What a library exports as `create_model`. `seed` (not 0) gives the registers without an initial
// value their contents; `waves` is the VCD file to write, null for none.
typedef Model *(*CreateModel)(int32_t seed, const char *waves);
}
