// The C interface of the simulator, see `system.h`: exceptions end here.
#include "system.h"

#include <algorithm>
#include <string>

#include "simulator.h"

namespace {

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
    return guarded(-1, [&] { return system->observed().add_watch(name, rising != 0); });
}

EXPORT int system_add_strobe(System *system, const char *name, uint32_t kind, uint32_t partition) {
    return guarded(-1, [&] { return system->observed().add_strobe(name, kind, partition), 0; });
}

EXPORT int system_arm(System *system, int watch) {
    return guarded(-1, [&] { return system->observed().arm(watch), 0; });
}

EXPORT uint64_t system_fired_ps(const System *system, int watch) {
    return guarded<uint64_t>(0, [&] { return system->observed().fired_ps(watch); });
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
    auto &found = system->observed().events();
    uint64_t count = std::min<uint64_t>(room, found.size());
    std::copy_n(found.begin(), count, events);
    found.erase(found.begin(), found.begin() + static_cast<int64_t>(count));
    return count;
}

EXPORT uint64_t system_event_count(System *system) { return system->observed().events().size(); }

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
