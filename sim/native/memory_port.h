// The memory behind an AXI4 port of the static region.
//
// Ref: AMBA AXI and ACE Protocol Specification, Arm IHI 0022
//
// Every output is registered: `sample` takes what the port shows before a clock edge, `drive` puts
// out what it shows after it. A beat costs `numerator / denominator` clocks; the first one of a burst
// comes at the earliest `latency` clocks after its address. Bursts are served in order. The memory
// reads ahead: a manager that does not take its beats finds them waiting.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

#include "library.h"

struct Dram {
    uint8_t *data;
    uint64_t base;
    uint64_t size;

    // Returns the eight bytes of a beat, null outside.
    uint8_t *beat(uint64_t address) const {
        uint64_t start = (address & ~7ull) - base;
        return address >= base && start + 8 <= size ? data + start : nullptr;
    }
};

struct Pacing {
    uint64_t latency;
    uint64_t numerator;
    uint64_t denominator;
};

constexpr uint64_t OKAY = 0, DECERR = 3;
constexpr size_t OUTSTANDING = 16;
constexpr uint64_t NEVER = ~0ull;

struct Burst {
    uint64_t address;
    uint32_t beats;
    uint64_t earliest;  // clock of its first beat
    bool failed = false;
};

class MemoryPort {
  public:
    MemoryPort(std::string name, const Dram &dram) : name_(std::move(name)), dram_(dram) {}
    virtual ~MemoryPort() = default;
    virtual void sample(uint64_t clock) = 0;
    virtual void drive() = 0;

    // Returns the next clock at whose edge it does something by itself, NEVER when there is none.
    virtual uint64_t due_clock() const = 0;

    // Tells whether something has moved since this was called before.
    bool moved() { return std::exchange(moved_, false); }

    void pace(const Pacing &pacing) {
        due_ = (due_ + pacing_.denominator - 1) / pacing_.denominator * pacing.denominator;
        pacing_ = pacing;
    }

    const std::string &name() const { return name_; }

  protected:
    // Reads an address channel and refuses what AXI forbids or this memory does not offer.
    Burst address(uint64_t clock, uint64_t addr, uint64_t len, uint64_t size, uint64_t type) {
        Burst burst{addr, static_cast<uint32_t>(len) + 1, clock + pacing_.latency};
        uint64_t last = (addr & ~7ull) + 8ull * len;
        if (size != 3 || type != 1)
            throw std::runtime_error(name_ + ": a burst that is not INCR or not of 8 bytes a beat");
        if (addr >> 12 != last >> 12)
            throw std::runtime_error(name_ + ": a burst crosses a multiple of 4 KiB");
        return burst;
    }

    std::string name_;
    const Dram &dram_;
    Pacing pacing_{1, 1, 1};
    uint64_t due_ = 0;  // clock of the latest beat, times the denominator
    std::deque<Burst> bursts_;
    bool moved_ = false;

    // Returns the edge at which what is due at a time (in clocks times denominator) is put out.
    uint64_t edge_before(uint64_t due) const {
        return (due + pacing_.denominator - 1) / pacing_.denominator - 1;
    }
};

class ReadPort : public MemoryPort {
  public:
    ReadPort(const std::string &name, const Library &top, const Dram &dram)
        : MemoryPort(name, dram),
          araddr_(top.output(name + "_araddr")), arlen_(top.output(name + "_arlen")),
          arsize_(top.output(name + "_arsize")), arburst_(top.output(name + "_arburst")),
          arvalid_(top.output(name + "_arvalid")), arready_(top.input(name + "_arready")),
          rdata_(top.input(name + "_rdata")), rresp_(top.input(name + "_rresp")),
          rlast_(top.input(name + "_rlast")), rvalid_(top.input(name + "_rvalid")),
          rready_(top.output(name + "_rready")) {}

    void sample(uint64_t clock) override {
        if (ready_ && arvalid_.get()) {
            bursts_.push_back(
                address(clock, araddr_.get(), arlen_.get(), arsize_.get(), arburst_.get()));
            moved_ = true;
        }
        if (valid_ && rready_.get()) {
            valid_ = false;
            moved_ = true;
        }
        ready_ = bursts_.size() < OUTSTANDING;
        if (!valid_ && !bursts_.empty()) offer(clock + 1);
    }

    uint64_t due_clock() const override {
        return valid_ || bursts_.empty() ? NEVER : edge_before(next_due());
    }

    void drive() override {
        arready_.set(ready_);
        rvalid_.set(valid_);
        if (!valid_) return;
        rdata_.set(data_);
        rresp_.set(response_);
        rlast_.set(last_);
    }

  private:
    // Offers the next beat if it can be taken at edge `clock`.
    void offer(uint64_t clock) {
        Burst &burst = bursts_.front();
        uint64_t due = next_due();
        if (due > clock * pacing_.denominator) return;
        due_ = due;
        moved_ = true;
        const uint8_t *bytes = dram_.beat(burst.address);
        data_ = 0;
        if (bytes) std::memcpy(&data_, bytes, 8);
        response_ = bytes ? OKAY : DECERR;
        valid_ = true;
        burst.address = (burst.address & ~7ull) + 8;
        last_ = --burst.beats == 0;
        if (last_) bursts_.pop_front();
    }

    uint64_t next_due() const {
        return std::max(due_ + pacing_.numerator, bursts_.front().earliest * pacing_.denominator);
    }

    Wire araddr_, arlen_, arsize_, arburst_, arvalid_, arready_;
    Wire rdata_, rresp_, rlast_, rvalid_, rready_;
    bool ready_ = false, valid_ = false, last_ = false;
    uint64_t data_ = 0, response_ = OKAY;
};

class WritePort : public MemoryPort {
  public:
    WritePort(const std::string &name, const Library &top, const Dram &dram)
        : MemoryPort(name, dram),
          awaddr_(top.output(name + "_awaddr")), awlen_(top.output(name + "_awlen")),
          awsize_(top.output(name + "_awsize")), awburst_(top.output(name + "_awburst")),
          awvalid_(top.output(name + "_awvalid")), awready_(top.input(name + "_awready")),
          wdata_(top.output(name + "_wdata")), wstrb_(top.output(name + "_wstrb")),
          wlast_(top.output(name + "_wlast")), wvalid_(top.output(name + "_wvalid")),
          wready_(top.input(name + "_wready")), bresp_(top.input(name + "_bresp")),
          bvalid_(top.input(name + "_bvalid")), bready_(top.output(name + "_bready")) {}

    void sample(uint64_t clock) override {
        if (address_ready_ && awvalid_.get()) {
            bursts_.push_back(
                address(clock, awaddr_.get(), awlen_.get(), awsize_.get(), awburst_.get()));
            moved_ = true;
        }
        if (data_ready_ && wvalid_.get()) take(clock);
        if (response_valid_ && bready_.get()) {
            response_valid_ = false;
            responses_.pop_front();
            moved_ = true;
        }
        address_ready_ = bursts_.size() + responses_.size() < OUTSTANDING;
        bool data_ready = !bursts_.empty() && due_ <= (clock + 1) * pacing_.denominator;
        bool response_valid = !responses_.empty() && responses_.front().earliest <= clock + 1;
        moved_ |= data_ready != data_ready_ || response_valid != response_valid_;
        data_ready_ = data_ready;
        response_valid_ = response_valid;
    }

    uint64_t due_clock() const override {
        uint64_t clock = NEVER;
        if (!bursts_.empty() && !data_ready_) clock = edge_before(due_);
        if (!responses_.empty() && !response_valid_)
            clock = std::min(clock, responses_.front().earliest - 1);
        return clock;
    }

    void drive() override {
        awready_.set(address_ready_);
        wready_.set(data_ready_);
        bvalid_.set(response_valid_);
        if (response_valid_) bresp_.set(responses_.front().failed ? DECERR : OKAY);
    }

  private:
    // Stores a beat at edge `clock`.
    void take(uint64_t clock) {
        moved_ = true;
        Burst &burst = bursts_.front();
        uint64_t d = pacing_.denominator;
        // A beat that came late makes up for less than a clock: the rate holds, no burst follows.
        due_ = std::max(due_, clock * d - (d - 1)) + pacing_.numerator;
        store(burst, wdata_.get(), wstrb_.get());
        burst.address = (burst.address & ~7ull) + 8;
        bool last = --burst.beats == 0;
        if (last != static_cast<bool>(wlast_.get()))
            throw std::runtime_error(name_ + ": WLAST is not at the last beat of a burst");
        if (!last) return;
        burst.earliest = clock + pacing_.latency;
        responses_.push_back(burst);
        bursts_.pop_front();
    }

    void store(Burst &burst, uint64_t data, uint64_t strobe) {
        uint8_t *bytes = dram_.beat(burst.address);
        if (!bytes) {
            burst.failed = true;
            return;
        }
        if (strobe == 0xff) {
            std::memcpy(bytes, &data, 8);
            return;
        }
        for (int i = 0; i < 8; ++i)
            if (strobe >> i & 1) bytes[i] = static_cast<uint8_t>(data >> (8 * i));
    }

    Wire awaddr_, awlen_, awsize_, awburst_, awvalid_, awready_;
    Wire wdata_, wstrb_, wlast_, wvalid_, wready_;
    Wire bresp_, bvalid_, bready_;
    std::deque<Burst> responses_;
    bool address_ready_ = false, data_ready_ = false, response_valid_ = false;
};
