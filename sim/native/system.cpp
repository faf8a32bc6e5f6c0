// The simulator: clocks, memory, register accesses, and the partitions that change while it runs.
//
// Between two edges everything is settled. A compute edge goes in four steps: memory samples what
// the static region shows; the static region and every module take the edge with the inputs they
// had; the boundary is carried across, the static side of it being registered, in one pass; the
// static region settles. The ICAP clock has edges of its own on the same base of picoseconds.
//
// While nothing in the system moves, `run` passes clocks over up to the next one in which memory
// does something: the same happens as if they had been simulated. Garbage on a boundary is the one
// thing that then stands still.

#include "system.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "memory_port.h"
#include "observed.h"
#include "register_bus.h"
#include "rest.h"

namespace {

struct ModuleFile {
    std::string path;
    std::string name;
};

class System {
  public:
    explicit System(const SystemConfig &config)
        : waves_(config.waves ? config.waves : ""), random_(config.seed),
          top_(config.top, random_.seed(), waves_.empty() ? "" : waves_ + "/static_region.vcd"),
          bus_(top_), dram_{config.dram, config.dram_base, config.dram_size},
          compute_{config.clock_ps, (config.start_ps / config.clock_ps + 1) * config.clock_ps,
                   top_.input("clk")},
          icap_{config.icap_ps, (config.start_ps / config.icap_ps + 1) * config.icap_ps,
                top_.input("icap_clk")},
          now_ps_(config.start_ps), access_clocks_(config.access_clocks),
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

    int add_watch(const char *name, bool rising) {
        Wire wire = top_.output(name);
        watches_.push_back({wire, rising, wire.get() != 0});
        return static_cast<int>(watches_.size()) - 1;
    }

    void add_strobe(const char *name, uint32_t kind, uint32_t partition) {
        Wire wire = top_.output(name);
        if (wire.width != 1) throw std::runtime_error(std::string(name) + " is no strobe");
        strobes_.push_back({static_cast<const uint8_t *>(wire.data), kind, partition});
    }

    void arm(int watch) { watches_.at(watch).fired = false; }
    uint64_t fired_ps(int watch) const { return watches_.at(watch).time_ps; }
    std::vector<Event> &events() { return events_; }
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
        for (Watch &watch : watches_) watch.fired = false;
        events_.clear();
    }

    // Runs until a watch of the mask has fired, or until the next edge is behind the deadline.
    uint32_t run(uint32_t mask, uint64_t deadline_ps) {
        for (;;) {
            if (uint32_t found = fired() & mask) return found;
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
        known = is_write ? write(address, *value, response) : read(address, value, response);
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
        bool moved = !strobes_are_low();
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

    bool strobes_are_low() const {
        for (const Strobe &strobe : strobes_)
            if (*strobe.value) return false;
        return true;
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
        observe();
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

    void observe() {
        for (Watch &watch : watches_) {
            bool value = watch.wire.get() != 0;
            if (value != watch.before && value == watch.rising && !watch.fired) {
                watch.fired = true;
                watch.time_ps = now_ps_;
            }
            watch.before = value;
        }
        for (const Strobe &strobe : strobes_)
            if (*strobe.value) events_.push_back({now_ps_, strobe.kind, strobe.partition});
    }

    uint32_t fired() const {
        uint32_t mask = 0;
        for (size_t i = 0; i < watches_.size(); ++i) mask |= uint32_t(watches_[i].fired) << i;
        return mask;
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

    uint32_t write(uint32_t address, uint32_t value, int &response) {
        bus_.awaddr.set(address);
        bus_.wdata.set(value);
        bus_.wstrb.set(0xf);
        for (const Wire *wire : {&bus_.awvalid, &bus_.wvalid, &bus_.bready}) wire->set(1);
        top_.eval();
        for (uint32_t clocks = 1;; ++clocks) {
            bool address_taken = bus_.awvalid.get() && bus_.awready.get();
            bool data_taken = bus_.wvalid.get() && bus_.wready.get();
            bool done = bus_.bvalid.get() != 0;
            response = static_cast<int>(bus_.bresp.get());
            compute_edge();
            if (address_taken) bus_.awvalid.set(0);
            if (data_taken) bus_.wvalid.set(0);
            if (done) bus_.bready.set(0);
            top_.eval();
            if (done) return clocks;
            require_answer(clocks, "write", address);
        }
    }

    uint32_t read(uint32_t address, uint32_t *value, int &response) {
        bus_.araddr.set(address);
        for (const Wire *wire : {&bus_.arvalid, &bus_.rready}) wire->set(1);
        top_.eval();
        for (uint32_t clocks = 1;; ++clocks) {
            bool address_taken = bus_.arvalid.get() && bus_.arready.get();
            bool done = bus_.rvalid.get() != 0;
            response = static_cast<int>(bus_.rresp.get());
            *value = static_cast<uint32_t>(bus_.rdata.get());
            compute_edge();
            if (address_taken) bus_.arvalid.set(0);
            if (done) bus_.rready.set(0);
            top_.eval();
            if (done) return clocks;
            require_answer(clocks, "read", address);
        }
    }

    void require_answer(uint32_t clocks, const char *what, uint32_t address) const {
        if (clocks < access_clocks_) return;
        throw std::runtime_error(std::string("register ") + what + " at offset " +
                                 std::to_string(address) + " has no response after " +
                                 std::to_string(clocks) + " clocks");
    }

    std::string waves_;
    Random random_;
    Library top_;
    RegisterBus bus_;
    Dram dram_;
    Clock compute_, icap_;
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
    std::vector<Watch> watches_;
    std::vector<Strobe> strobes_;
    std::vector<Event> events_;
};

thread_local std::string last_error;

// Runs `body`; what it throws becomes the last error and `failed` the result.
template <typename Result, typename Body> Result guarded(Result failed, Body body) {
    try {
        return body();
    } catch (const std::exception &error) {
        last_error = error.what();
        return failed;
    }
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT const char *system_error() { return last_error.c_str(); }

EXPORT System *system_create(const SystemConfig *config) {
    return guarded<System *>(nullptr, [&] { return new System(*config); });
}

EXPORT void system_destroy(System *system) { delete system; }

EXPORT int system_add_port(System *system, const char *name, uint32_t is_write,
                           const Pacing *pacing) {
    return guarded(-1, [&] { return system->add_port(name, is_write != 0, *pacing); });
}

EXPORT int system_pace(System *system, int port, const Pacing *pacing) {
    return guarded(-1, [&] { return system->pace(port, *pacing), 0; });
}

EXPORT int system_add_module(System *system, uint64_t id, const char *path, const char *name) {
    return guarded(-1, [&] { return system->add_module(id, path, name), 0; });
}

EXPORT int system_add_watch(System *system, const char *name, uint32_t rising) {
    return guarded(-1, [&] { return system->add_watch(name, rising != 0); });
}

EXPORT int system_add_strobe(System *system, const char *name, uint32_t kind, uint32_t partition) {
    return guarded(-1, [&] { return system->add_strobe(name, kind, partition), 0; });
}

EXPORT int system_arm(System *system, int watch) {
    return guarded(-1, [&] { return system->arm(watch), 0; });
}

EXPORT uint64_t system_fired_ps(const System *system, int watch) {
    return guarded<uint64_t>(0, [&] { return system->fired_ps(watch); });
}

EXPORT int system_reset(System *system, uint32_t clocks) {
    return guarded(-1, [&] { return system->reset(clocks), 0; });
}

EXPORT int64_t system_run(System *system, uint32_t mask, uint64_t deadline_ps) {
    return guarded<int64_t>(-1, [&] { return int64_t(system->run(mask, deadline_ps)); });
}

EXPORT int system_access(System *system, uint32_t is_write, uint32_t address, uint32_t *value) {
    return guarded(-1, [&] { return system->access(is_write != 0, address, value); });
}

EXPORT uint64_t system_now_ps(const System *system) { return system->now_ps(); }

EXPORT uint64_t system_clocks(const System *system) { return system->clocks(); }

EXPORT uint64_t system_swaps(const System *system) { return system->swap_count(); }
EXPORT double system_swap_seconds(const System *system) { return system->swap_seconds(); }

// Moves at most `room` events out, oldest first.
EXPORT uint64_t system_events(System *system, Event *events, uint64_t room) {
    auto &found = system->events();
    uint64_t count = std::min<uint64_t>(room, found.size());
    std::copy_n(found.begin(), count, events);
    found.erase(found.begin(), found.begin() + static_cast<int64_t>(count));
    return count;
}

EXPORT uint64_t system_event_count(System *system) { return system->events().size(); }

EXPORT int system_peek(const System *system, const char *name, uint64_t *value) {
    return guarded(-1, [&] { return *value = system->peek(name), 0; });
}

EXPORT int system_poke(System *system, const char *name, uint64_t value) {
    return guarded(-1, [&] { return system->poke(name, value), 0; });
}

EXPORT int system_partition(const System *system, uint32_t index, uint32_t *content,
                            uint64_t *module_id) {
    return guarded(-1, [&] {
        const Partition &partition = system->partition(index);
        *content = partition.content();
        *module_id = partition.module_id();
        return 0;
    });
}
