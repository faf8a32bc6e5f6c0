// What is looked at after every clock: wires that a run can wait for, and strobes that are logged.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "library.h"
#include "system.h"

class Observed {
  public:
    explicit Observed(const Library &top) : top_(top) {}

    // Adds an output whose first rise or fall since it was armed is remembered; returns its index.
    int add_watch(const char *name, bool rising) {
        Wire wire = top_.output(name);
        watches_.push_back({wire, rising, wire.get() != 0});
        return static_cast<int>(watches_.size()) - 1;
    }

    // Adds an output whose every clock is an event.
    void add_strobe(const char *name, uint32_t kind, uint32_t partition) {
        Wire wire = top_.output(name);
        if (wire.width != 1) throw std::runtime_error(std::string(name) + " is no strobe");
        strobes_.push_back({static_cast<const uint8_t *>(wire.data), kind, partition});
    }

    void arm(int watch) { watches_.at(watch).fired = false; }
    uint64_t fired_ps(int watch) const { return watches_.at(watch).time_ps; }
    std::vector<Event> &events() { return events_; }

    // Returns which watches have fired, a bit for each.
    uint32_t fired() const {
        uint32_t mask = 0;
        for (size_t i = 0; i < watches_.size(); ++i) mask |= uint32_t(watches_[i].fired) << i;
        return mask;
    }

    bool strobes_are_low() const {
        for (const Strobe &strobe : strobes_)
            if (*strobe.value) return false;
        return true;
    }

    void look(uint64_t now_ps) {
        for (Watch &watch : watches_) {
            bool value = watch.wire.get() != 0;
            if (value != watch.before && value == watch.rising && !watch.fired) {
                watch.fired = true;
                watch.time_ps = now_ps;
            }
            watch.before = value;
        }
        for (const Strobe &strobe : strobes_)
            if (*strobe.value) events_.push_back({now_ps, strobe.kind, strobe.partition});
    }

    // Forgets what was seen.
    void clear() {
        for (Watch &watch : watches_) watch.fired = false;
        events_.clear();
    }

  private:
    struct Watch {
        Wire wire;
        bool rising;
        bool before;
        bool fired = false;
        uint64_t time_ps = 0;
    };

    struct Strobe {
        const uint8_t *value;
        uint32_t kind;
        uint32_t partition;
    };

    const Library &top_;
    std::vector<Watch> watches_;
    std::vector<Strobe> strobes_;
    std::vector<Event> events_;
};
