// The wires of the AXI4-Lite port that the host reads and writes registers through.
#pragma once

#include <string>

#include "library.h"

struct RegisterBus {
    Wire awaddr, awvalid, awready, wdata, wstrb, wvalid, wready, bresp, bvalid, bready;
    Wire araddr, arvalid, arready, rdata, rresp, rvalid, rready;

    explicit RegisterBus(const Library &top) {
        auto in = [&](const char *name) { return top.input(std::string("s_axi_") + name); };
        auto out = [&](const char *name) { return top.output(std::string("s_axi_") + name); };
        awaddr = in("awaddr"), awvalid = in("awvalid"), awready = out("awready");
        wdata = in("wdata"), wstrb = in("wstrb"), wvalid = in("wvalid"), wready = out("wready");
        bresp = out("bresp"), bvalid = out("bvalid"), bready = in("bready");
        araddr = in("araddr"), arvalid = in("arvalid"), arready = out("arready");
        rdata = out("rdata"), rresp = out("rresp"), rvalid = out("rvalid"), rready = in("rready");
    }
};
