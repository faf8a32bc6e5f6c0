// The AXI4-Lite port that the host reads and writes registers through.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "library.h"

class RegisterBus {
  public:
    // An access that has no response after `limit` clocks is an error.
    RegisterBus(Library &top, uint32_t limit) : top_(top), limit_(limit) {
        auto in = [&](const char *name) { return top.input(std::string("s_axi_") + name); };
        auto out = [&](const char *name) { return top.output(std::string("s_axi_") + name); };
        awaddr_ = in("awaddr"), awvalid_ = in("awvalid"), awready_ = out("awready");
        wdata_ = in("wdata"), wstrb_ = in("wstrb"), wvalid_ = in("wvalid"), wready_ = out("wready");
        bresp_ = out("bresp"), bvalid_ = out("bvalid"), bready_ = in("bready");
        araddr_ = in("araddr"), arvalid_ = in("arvalid"), arready_ = out("arready");
        rdata_ = out("rdata"), rresp_ = out("rresp"), rvalid_ = out("rvalid");
        rready_ = in("rready");
    }

    // Writes a register and returns how many clocks it took; `edge` makes one.
    template <typename Edge>
    uint32_t write(uint32_t address, uint32_t value, int &response, Edge edge) {
        awaddr_.set(address);
        wdata_.set(value);
        wstrb_.set(0xf);
        for (const Wire *wire : {&awvalid_, &wvalid_, &bready_}) wire->set(1);
        top_.eval();
        for (uint32_t clocks = 1;; ++clocks) {
            bool address_taken = awvalid_.get() && awready_.get();
            bool data_taken = wvalid_.get() && wready_.get();
            bool done = bvalid_.get() != 0;
            response = static_cast<int>(bresp_.get());
            edge();
            if (address_taken) awvalid_.set(0);
            if (data_taken) wvalid_.set(0);
            if (done) bready_.set(0);
            top_.eval();
            if (done) return clocks;
            require_answer(clocks, "write", address);
        }
    }

    // Reads a register and returns how many clocks it took; `edge` makes one.
    template <typename Edge>
    uint32_t read(uint32_t address, uint32_t *value, int &response, Edge edge) {
        araddr_.set(address);
        for (const Wire *wire : {&arvalid_, &rready_}) wire->set(1);
        top_.eval();
        for (uint32_t clocks = 1;; ++clocks) {
            bool address_taken = arvalid_.get() && arready_.get();
            bool done = rvalid_.get() != 0;
            response = static_cast<int>(rresp_.get());
            *value = static_cast<uint32_t>(rdata_.get());
            edge();
            if (address_taken) arvalid_.set(0);
            if (done) rready_.set(0);
            top_.eval();
            if (done) return clocks;
            require_answer(clocks, "read", address);
        }
    }

  private:
    void require_answer(uint32_t clocks, const char *what, uint32_t address) const {
        if (clocks < limit_) return;
        throw std::runtime_error(std::string("register ") + what + " at offset " +
                                 std::to_string(address) + " has no response after " +
                                 std::to_string(clocks) + " clocks");
    }

    Library &top_;
    uint32_t limit_;
    Wire awaddr_, awvalid_, awready_, wdata_, wstrb_, wvalid_, wready_, bresp_, bvalid_, bready_;
    Wire araddr_, arvalid_, arready_, rdata_, rresp_, rvalid_, rready_;
};
