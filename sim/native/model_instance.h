// The generic half of a Verilated library. The generated half includes it, then the model's sources.
// Of `ports.inc` it has a line PORT(name, member, width, is_output) for each port, of `memories.inc`
// a line MEMORY(member) for each array.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "Vmodel.h"
#include "Vmodel__Syms.h"
#include "model.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

// Verilator's own, behind `Vmodel::eval`.
void Vmodel___024root___eval(Vmodel___024root *root);

namespace {

struct Instance : Model {
    // The context holds the seed, so it comes before the model that is made with it.
    std::unique_ptr<VerilatedContext> context;
    std::unique_ptr<Vmodel> top;
    std::vector<Port> table;
    std::vector<StateRange> ranges;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> vcd;
#endif
};

Instance *instance(Model *model) { return static_cast<Instance *>(model); }

constexpr uint64_t LARGE_BYTES = 1024;

// Returns where the state lies, without the arrays from LARGE_BYTES on.
std::vector<StateRange> state_ranges(Vmodel *top) {
    Vmodel___024root *root = top->rootp;
    std::vector<StateRange> arrays = {
#define MEMORY(member) {&root->member, sizeof(root->member)},
#include "memories.inc"
#undef MEMORY
    };
    std::sort(arrays.begin(), arrays.end(),
              [](const StateRange &a, const StateRange &b) { return a.data < b.data; });
    char *begin = reinterpret_cast<char *>(root->vlSymsp);
    char *end = begin + sizeof(Vmodel__Syms);
    std::vector<StateRange> ranges;
    for (const StateRange &array : arrays) {
        char *data = static_cast<char *>(array.data);
        if (array.bytes < LARGE_BYTES) continue;
        ranges.push_back({begin, static_cast<uint64_t>(data - begin)});
        begin = data + array.bytes;
    }
    ranges.push_back({begin, static_cast<uint64_t>(end - begin)});
    return ranges;
}

void open_waves(Instance *made, const char *path) {
#if VM_TRACE
    if (!path) return;
    made->context->traceEverOn(true);
    made->vcd = std::make_unique<VerilatedVcdC>();
    made->top->trace(made->vcd.get(), 99);
    made->vcd->open(path);
    made->dump = [](Model *model, uint64_t time_ps) { instance(model)->vcd->dump(time_ps); };
#else
    (void)made, (void)path;
#endif
}

// Evaluates for the first time, which settles what initial values and inputs make; what Verilator
// does around an evaluation is of no use after that, but for traces.
void settle(Model *model) {
    instance(model)->top->eval();
#if !VM_TRACE
    model->eval = [](Model *settled) { Vmodel___024root___eval(instance(settled)->top->rootp); };
#endif
}

}  // namespace

extern "C" __attribute__((visibility("default"))) Model *create_model(int32_t seed,
                                                                      const char *waves) {
    auto made = std::make_unique<Instance>();
    made->context = std::make_unique<VerilatedContext>();
    made->context->randReset(2);
    made->context->randSeed(seed);
    made->top = std::make_unique<Vmodel>(made->context.get(), "TOP");
    made->table = {
#define PORT(name, member, width, is_output) {#name, width, is_output, &made->top->member},
#include "ports.inc"
#undef PORT
    };
    made->ports = made->table.data();
    made->port_count = static_cast<uint32_t>(made->table.size());
    made->ranges = state_ranges(made->top.get());
    made->state = made->ranges.data();
    made->state_count = static_cast<uint32_t>(made->ranges.size());
    made->eval = settle;
    made->dump = nullptr;
    made->destroy = [](Model *model) {
#if VM_TRACE
        if (instance(model)->vcd) instance(model)->vcd->close();
#endif
        instance(model)->top->final();
        delete instance(model);
    };
    open_waves(made.get(), waves);
    return made.release();
}
