// Finds out that nothing in the system moves, so that clocks can be passed over.
//
// A design whose state is the same after an edge as before it, with inputs that stay, is so for ever.
// Arrays of LARGE_BYTES or more (`model_instance.h`) are no part of what is compared: memories for
// features and weights would take longer than the clocks that are saved. That is sound where what is
// written into one does not depend on what lies in it but by way of a register: then every clock
// with the same state writes the same, and the second time changes nothing. A design that counts in
// such an array, `a[i] <= a[i] + 1` with nothing else moving, is taken to rest; simulate it with
// `Setup.pass_over` off. No gateware here does so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "library.h"

class Rest {
  public:
    // Watches for so many clocks; the ICAP clock has edges in them, and so have its crossings.
    // Before that garbage stands still until it has gone through the registers behind it.
    static constexpr uint32_t CLOCKS = 8, STILL = 4;

    bool is_due(uint64_t clock) const { return !watching() && clock >= next_; }
    bool watching() const { return left_ != 0; }

    void begin() { left_ = STILL + CLOCKS; }

    // Takes another clock into account; returns true once there were enough without a change.
    bool proceed(const std::vector<Library *> &libraries, uint64_t clock, bool moved) {
        if (moved || (left_ < CLOCKS && !is_same(libraries))) {
            give_up(clock);
            return false;
        }
        if (left_ == CLOCKS) take(libraries);
        if (--left_) return false;
        pause_ = SHORTEST;
        next_ = clock;
        return true;
    }

    void give_up(uint64_t clock) {
        left_ = 0;
        next_ = clock + pause_;
        pause_ = std::min(2 * pause_, LONGEST);
    }

  private:
    static constexpr uint64_t SHORTEST = 8, LONGEST = 64;  // clocks between two tries

    void take(const std::vector<Library *> &libraries) {
        snapshot_.clear();
        for (Library *library : libraries)
            for (const StateRange &range : *library) {
                const char *data = static_cast<const char *>(range.data);
                snapshot_.insert(snapshot_.end(), data, data + range.bytes);
            }
    }

    bool is_same(const std::vector<Library *> &libraries) const {
        const char *at = snapshot_.data(), *end = at + snapshot_.size();
        for (Library *library : libraries)
            for (const StateRange &range : *library) {
                if (range.bytes > static_cast<uint64_t>(end - at)) return false;
                if (std::memcmp(at, range.data, range.bytes) != 0) return false;
                at += range.bytes;
            }
        return at == end;
    }

    std::vector<char> snapshot_;
    uint32_t left_ = 0;
    uint64_t next_ = 0, pause_ = SHORTEST;
};
