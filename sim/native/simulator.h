// The simulator: clocks, memory, register accesses, and the partitions that change while it runs.
//
// Between two edges everything is settled. A compute edge goes in four steps: memory samples what
// the static region shows; the static region and every module take the edge with the inputs they
// had; the boundary is carried across, the static side of it being registered, in one pass; the
// static region settles. The ICAP clock has edges of its own on the same base of picoseconds.
//
// While nothing in the system moves, `run` passes clocks over up to the next one in which memory
// does something: the same happens as if they had been simulated. Garbage on a boundary is the one
// thing that then stands still. A module that rests while others work sleeps, see `Partition`.

#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "memory_port.h"
#include "observed.h"
#include "partition.h"
#include "register_bus.h"
#include "rest.h"
#include "system.h"

struct Clock {
    uint64_t period_ps;
    uint64_t rise_ps;  // time of the next edge
    Wire wire;
    bool high = false;

    void set(bool level) {
        high = level;
        wire.set(level);
    }
};

struct ModuleFile {
    std::string path;
    std::string name;
};

class System {
  public:
    explicit System(const SystemConfig &config)
        : waves_(config.waves ? config.waves : ""), random_(config.seed),
          top_(config.top, random_.seed(), waves_.empty() ? "" : waves_ + "/static_region.vcd"),
          bus_(top_, config.access_clocks), dram_{config.dram, config.dram_base, config.dram_size},
          compute_{config.clock_ps, (config.start_ps / config.clock_ps + 1) * config.clock_ps,
                   top_.input("clk")},
          icap_{config.icap_ps, (config.start_ps / config.icap_ps + 1) * config.icap_ps,
                top_.input("icap_clk")},
          observed_(top_), now_ps_(config.start_ps), access_clocks_(config.access_clocks),
          pass_over_(config.pass_over && waves_.empty()), check_(config.check) {
        garbage_ = top_.output("garbage");
        loaded_ = top_.output("loaded");
        loaded_partition_ = top_.output("loaded_partition");
        loaded_id_ = top_.output("loaded_id");
        std::vector<BoundaryWire> boundary(config.boundary,
                                           config.boundary + config.boundary_wires);
        for (uint32_t p = 0; p < config.partitions; ++p) partitions_.emplace_back(top_, p, boundary);
        top_.eval();
    }

    int add_port(const char *name, bool is_write, const Pacing &pacing) {
        std::unique_ptr<MemoryPort> port;
        if (is_write)
            port = std::make_unique<WritePort>(name, top_, dram_);
        else
            port = std::make_unique<ReadPort>(name, top_, dram_);
        port->pace(pacing);
        ports_.push_back(std::move(port));
        return static_cast<int>(ports_.size()) - 1;
    }

    void pace(int port, const Pacing &pacing) { ports_.at(port)->pace(pacing); }

    void add_module(uint64_t id, const char *path, const char *name) {
        modules_[id] = {path, name};
    }

    Observed &observed() { return observed_; }
    const Observed &observed() const { return observed_; }
    uint64_t now_ps() const { return now_ps_; }
    uint64_t clocks() const { return clocks_; }
    const Partition &partition(uint32_t index) const { return partitions_.at(index); }
    uint64_t swap_count() const { return swaps_; }
    double swap_seconds() const { return swap_seconds_; }

    uint64_t peek(const char *name) const {
        const Port *port = top_.find(name);
        return port && port->is_output ? top_.output(name).get() : top_.input(name).get();
    }

    void poke(const char *name, uint64_t value) {
        top_.input(name).set(value);
        top_.eval();
    }

    // Holds both resets for a number of compute clocks, which must be some ICAP clocks long.
    void reset(uint32_t clocks) {
        for (const char *name : {"rst", "icap_rst"}) top_.input(name).set(1);
        for (uint32_t i = 0; i < clocks; ++i) compute_edge();
        for (const char *name : {"rst", "icap_rst"}) top_.input(name).set(0);
        top_.eval();
        observed_.clear();
    }

    // Runs until a watch of the mask has fired, or until the next edge is behind the deadline.
    uint32_t run(uint32_t mask, uint64_t deadline_ps) {
        for (;;) {
            if (uint32_t found = observed_.fired() & mask) return found;
            if (next_ps() > deadline_ps) return 0;
            step();
            if (pass_over_) watch_for_rest(deadline_ps);
        }
    }

    // Makes a register access that takes `access_clocks_` compute clocks; returns the response.
    //
    // It comes at the end of them, so that its effect and the host's clock agree: the clocks of the
    // access before say when to begin.
    int access(bool is_write, uint32_t address, uint32_t *value) {
        if (rest_.watching()) rest_.give_up(clocks_);
        uint32_t &known = access_length_[is_write];
        uint32_t spent = 0;
        for (; known && spent + known < access_clocks_; ++spent) compute_edge();
        int response = 0;
        auto edge = [this] { compute_edge(); };
        known = is_write ? bus_.write(address, *value, response, edge)
                         : bus_.read(address, value, response, edge);
        for (spent += known; spent < access_clocks_; ++spent) compute_edge();
        if (spent > access_clocks_)
            throw std::runtime_error("a register access at offset " + std::to_string(address) +
                                     " took longer than the one before it");
        return response;
    }

  private:
    // Looks for rest after a step, and passes over what may be passed over.
    void watch_for_rest(uint64_t deadline_ps) {
        if (compute_.high || icap_.high || clocks_ == watched_) return;  // not at a comparable point
        watched_ = clocks_;
        if (!rest_.watching() && !rest_.is_due(clocks_)) return;
        bool moved = !observed_.strobes_are_low();
        for (auto &port : ports_) moved |= port->moved();
        if (!rest_.watching()) return rest_.begin();
        if (rest_.proceed(libraries(), clocks_, moved)) pass_over(deadline_ps);
    }

    void pass_over(uint64_t deadline_ps) {
        uint64_t last = clocks_ + (deadline_ps - now_ps_) / compute_.period_ps;
        for (const auto &port : ports_)
            if (uint64_t due = port->due_clock(); due != NEVER) last = std::min(last, due - 1);
        if (last <= clocks_) return;
        // The time of the latest compute edge; the ICAP clock may have had an edge since.
        now_ps_ = compute_.rise_ps - compute_.period_ps + (last - clocks_) * compute_.period_ps;
        clocks_ = last;
        compute_.rise_ps = now_ps_ + compute_.period_ps;
        icap_.rise_ps = (now_ps_ / icap_.period_ps + 1) * icap_.period_ps;
    }

    const std::vector<Library *> &libraries() {
        libraries_.assign(1, &top_);
        for (Partition &partition : partitions_)
            if (partition.module()) libraries_.push_back(partition.module());
        return libraries_;
    }

    uint64_t next_ps() const { return std::min(compute_.rise_ps, icap_.rise_ps); }

    void compute_edge() {
        for (uint64_t before = clocks_; clocks_ == before;) step();
    }

    void step() {
        uint64_t time = next_ps();
        if (!waves_.empty()) falls(time);
        now_ps_ = time;
        bool compute = compute_.rise_ps == time, icap = icap_.rise_ps == time;
        if (icap && icap_.high) {
            icap_.set(false);
            top_.eval();
        }
        if (compute) begin_compute_edge();
        if (icap) {
            icap_.set(true);
            icap_.rise_ps += icap_.period_ps;
        }
        top_.eval();
        if (compute) end_compute_edge();
        if (icap) configure();
        if (!waves_.empty()) dump(time);
    }

    void begin_compute_edge() {
        ++clocks_;
        for (auto &port : ports_) port->sample(clocks_);
        compute_.set(true);
        compute_.rise_ps += compute_.period_ps;
        // One evaluation fewer: the ICAP clock falls with a rising compute clock.
        if (waves_.empty()) icap_.set(false);
    }

    void end_compute_edge() {
        bool level = !waves_.empty();  // without traces the clock falls while everything settles
        for (Partition &partition : partitions_) partition.rise();
        for (auto &port : ports_) port->drive();
        compute_.set(level);
        settle(level);
        if (pass_over_)
            for (Partition &partition : partitions_) partition.watch_for_rest(clocks_);
        observed_.look(now_ps_);
    }

    void settle(bool level) {
        for (Partition &partition : partitions_) {
            if (partition.content() == GARBAGE && !rest_.watching())
                partition.drive_garbage(random_);
            partition.exchange(level);
        }
        top_.eval();
        if (!check_) return;
        for (Partition &partition : partitions_) partition.check_settled();
    }

    // Does what the frames that went through the port have done to the partitions. Nothing else
    // loads a module or takes one away.
    void configure() {
        uint64_t garbage = garbage_.get(), began = garbage & ~garbage_before_;
        garbage_before_ = garbage;
        bool loaded = loaded_.get() != 0;
        if (!began && !loaded) return;
        if (rest_.watching()) rest_.give_up(clocks_);
        const auto before = std::chrono::steady_clock::now();
        for (size_t p = 0; p < partitions_.size(); ++p)
            if (began >> p & 1) partitions_[p].destroy_module();
        if (loaded) load(loaded_partition_.get(), loaded_id_.get());
        swap_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
        settle(compute_.high);
    }

    void load(uint64_t index, uint64_t id) {
        if (index >= partitions_.size()) return;
        Partition &partition = partitions_[index];
        partition.destroy_module();
        auto found = modules_.find(id);
        if (found == modules_.end()) return;  // frames of no module that is known: garbage stays
        std::string waves, number = std::to_string(swaps_);
        if (!waves_.empty()) {
            number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
            waves = waves_ + "/load" + number + "_rp" + std::to_string(index) + "_" +
                    found->second.name + ".vcd";
        }
        partition.load(std::make_unique<Library>(found->second.path, random_.seed(), waves), id);
        ++swaps_;
    }

    // Traces only: the falling edges up to a time, at which a rising edge follows.
    void falls(uint64_t time) {
        for (;;) {
            uint64_t never = ~0ull;
            uint64_t compute = compute_.high ? fall_ps(compute_) : never;
            uint64_t icap = icap_.high ? fall_ps(icap_) : never;
            uint64_t next = std::min(compute, icap);
            if (next > time) return;
            if (icap == next) icap_.set(false);
            if (compute == next) {
                compute_.set(false);
                for (Partition &partition : partitions_) partition.exchange(0);
            }
            top_.eval();
            if (next < time) dump(next);
        }
    }

    static uint64_t fall_ps(const Clock &clock) { return clock.rise_ps - clock.period_ps / 2; }

    void dump(uint64_t time) {
        top_.dump(time);
        for (Partition &partition : partitions_)
            if (partition.module()) partition.module()->dump(time);
    }

    std::string waves_;
    Random random_;
    Library top_;
    RegisterBus bus_;
    Dram dram_;
    Clock compute_, icap_;
    Observed observed_;
    Wire garbage_, loaded_, loaded_partition_, loaded_id_;
    uint64_t now_ps_;
    uint64_t clocks_ = 0;
    uint64_t swaps_ = 0;
    double swap_seconds_ = 0;  // wall time of unloading and loading their libraries
    uint64_t garbage_before_ = 0;
    uint32_t access_clocks_;
    uint32_t access_length_[2] = {0, 0};
    bool pass_over_;
    bool check_;
    Rest rest_;
    uint64_t watched_ = 0;
    std::vector<Library *> libraries_;
    std::vector<Partition> partitions_;
    std::vector<std::unique_ptr<MemoryPort>> ports_;
    std::map<uint64_t, ModuleFile> modules_;
};
