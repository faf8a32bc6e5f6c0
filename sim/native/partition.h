// A reconfigurable partition: what drives the wires from its module to the static region.
//
// A module that has come to rest sleeps: it is not evaluated until one of its inputs changes, and
// what it would have done meanwhile is nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "library.h"
#include "rest.h"

// Random numbers for garbage and seeds: xorshift64*, the same ones in every run.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull | 1) {}

    uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1Dull;
    }

    int32_t seed() { return static_cast<int32_t>(next() >> 33 | 1); }

  private:
    uint64_t state_;
};

extern "C" {
// A wire of the boundary, seen from the module.
struct BoundaryWire {
    const char *name;
    uint32_t width;
    uint32_t is_output;
};
}

enum PartitionContent : uint32_t { EMPTY = 0, GARBAGE = 1, MODULE = 2 };

class Partition {
  public:
    Partition(const Library &top, uint32_t index, const std::vector<BoundaryWire> &boundary)
        : index_(index) {
        std::string prefix = "rp_" + std::to_string(index) + "_";
        for (const BoundaryWire &wire : boundary) {
            if (wire.is_output)
                from_.push_back({wire.name, top.input(prefix + wire.name), {}});
            else
                to_.push_back({wire.name, top.output(prefix + wire.name), {}});
        }
    }

    PartitionContent content() const { return content_; }
    uint64_t module_id() const { return content_ == MODULE ? module_id_ : 0; }
    Library *module() { return module_.get(); }

    // Frames are being written: the module is no more, its wires carry anything.
    void destroy_module() {
        module_.reset();
        rest_ = Rest();
        content_ = GARBAGE;
    }

    void load(std::unique_ptr<Library> module, uint64_t module_id) {
        for (Pair &pair : to_) pair.module = module->input(pair.name);
        for (Pair &pair : from_) pair.module = module->output(pair.name);
        clock_ = module->find("clk") ? module->input("clk") : Wire{};
        module_ = std::move(module);
        alone_.assign(1, module_.get());
        asleep_ = false;
        module_id_ = module_id;
        content_ = MODULE;
        exchange(0);
    }

    // Gives the module its clock edge; what comes in is what was there before the edge.
    void rise() {
        if (!module_ || asleep_) return;
        set_clock(1);
        module_->eval();
    }

    // Carries the boundary across, both ways, with the module's clock at `level` afterwards.
    void exchange(uint32_t level) {
        if (!module_) return;
        bool changed = false;
        for (const Pair &pair : to_) changed |= carry(pair.side, pair.module);
        if (asleep_ && !changed) return;
        asleep_ = false;
        changed_ |= changed;
        set_clock(level);
        module_->eval();
        for (const Pair &pair : from_) carry(pair.module, pair.side);
    }

    // Looks after a clock whether the module rests, so that it may sleep.
    void watch_for_rest(uint64_t clock) {
        if (!module_ || asleep_) return;
        bool changed = std::exchange(changed_, false);
        if (rest_.watching())
            asleep_ = rest_.proceed(alone_, clock, changed);
        else if (!changed && rest_.is_due(clock))
            rest_.begin();
    }

    void drive_garbage(Random &random) {
        for (const Pair &pair : from_) {
            uint64_t value = random.next();
            pair.side.set(pair.side.width == 64 ? value : value >> (64 - pair.side.width));
        }
    }

    // Throws if the static side has changed with what the module gave it.
    void check_settled() const {
        if (!module_) return;
        for (const Pair &pair : to_)
            if (pair.side.get() != pair.module.get())
                throw std::runtime_error("rp_" + std::to_string(index_) + "_" + pair.name +
                                         " is not registered in the static region");
    }

  private:
    struct Pair {
        std::string name;
        Wire side;    // of the static region
        Wire module;
    };

    // Returns whether the value is another one than before.
    static bool carry(const Wire &from, const Wire &to) {
        uint64_t value = from.get();
        if (value == to.get()) return false;
        to.set(value);
        return true;
    }

    void set_clock(uint32_t level) {
        if (clock_.data) clock_.set(level);
    }

    uint32_t index_;
    std::vector<Pair> to_, from_;
    Wire clock_;
    std::unique_ptr<Library> module_;
    uint64_t module_id_ = 0;
    PartitionContent content_ = EMPTY;
    std::vector<Library *> alone_;  // the module
    Rest rest_;
    bool changed_ = false;  // whether an input has, since rest was last looked for
    bool asleep_ = false;
};
