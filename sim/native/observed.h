// Wires with a meaning in time: clocks, what a run can wait for, and what it logs.
#pragma once

#include <cstdint>

#include "library.h"

struct Clock {
    uint64_t period_ps;
    uint64_t rise_ps;     // time of the next edge
    Wire wire;
    bool high = false;

    void set(bool level) {
        high = level;
        wire.set(level);
    }
};

// A wire whose first change since it was armed is remembered.
struct Watch {
    Wire wire;
    bool rising;
    bool before;
    bool fired = false;
    uint64_t time_ps = 0;
};

// A strobe whose every clock is an event.
struct Strobe {
    const uint8_t *value;
    uint32_t kind;
    uint32_t partition;
};
