// The logic of a PYNQ-Z2 as it is built, between models of the primitives: a processor that reads
// and writes registers, and a memory behind its port 0. Prints what it sees; the test judges.
`timescale 1ps / 1ps

module bench;
    top dut();
    integer beat;

    task read(input [31:0] address);
        begin
            dut.board.processor.ps7.read(address);
            $display("read %h %h %h", address, dut.board.processor.ps7.data,
                     dut.board.processor.ps7.response);
        end
    endtask

    initial begin
        #1000000;  // of which the clocks run for a part only
        dut.board.processor.ps7.running = 1;
        #1000000;
        read(`BASE + `MAP_ID);
        read(`BASE + `STATIC_ID);
        read(`BASE + `STATIC_ID + 4);
        read(`BASE + `IDCODE);
        read(`BASE + 32'h00100000);
        dut.board.processor.ps7.write(`BASE + `SOURCE, 32'h10000040);
        read(`BASE + `SOURCE);
        dut.board.processor.ps7.write(`BASE + `WORDS, 32'd64);
        dut.board.processor.ps7.write(`BASE + `LOAD, `BEGIN_LOAD);
        dut.board.processor.ps7.write(`BASE + `CONTROL, `START_LOAD);
        #20000000;
        $display("clocks %0d %0d", dut.board.clocks.mmcm.compute, dut.board.icap.clocks);
        $display("quiet %b", dut.board.icap.seen_early);
        $finish;
    end
    initial #200000000 $display("stuck");
endmodule

// A clock manager that locks after a while: the periods are those its parameters say.
module MMCME2_BASE(input CLKIN1, CLKFBIN, PWRDWN, RST, output CLKFBOUT, output reg CLKOUT0 = 0,
                   output reg CLKOUT1 = 0, output reg LOCKED = 0);
    parameter real CLKFBOUT_MULT_F = 1.0;
    parameter real CLKIN1_PERIOD = 1.0;
    parameter real CLKOUT0_DIVIDE_F = 1.0;
    parameter integer CLKOUT1_DIVIDE = 1;
    parameter integer DIVCLK_DIVIDE = 1;
    integer compute = 0;
    real unit;
    assign CLKFBOUT = 0;
    initial begin
        unit = 1000.0 * CLKIN1_PERIOD / CLKFBOUT_MULT_F;
        @(posedge CLKIN1);
        #100000 LOCKED = 1;
    end
    initial begin
        @(posedge CLKIN1);
        forever #(unit * CLKOUT0_DIVIDE_F / 2) begin
            CLKOUT0 = !CLKOUT0;
            if (CLKOUT0 && LOCKED) compute = compute + 1;
        end
    end
    initial begin
        @(posedge CLKIN1);
        forever #(unit * CLKOUT1_DIVIDE / 2) CLKOUT1 = !CLKOUT1;
    end
endmodule

module BUFG(input I, output O);
    assign O = I;
endmodule

module USR_ACCESSE2(output CFGCLK, DATAVALID, output [31:0] DATA);
    assign {CFGCLK, DATAVALID, DATA} = {2'b0, `USR_ACCESS};
endmodule

// Answers nothing; notes whether it was selected while nothing was loaded.
module ICAPE2(input CLK, CSIB, RDWRB, input [31:0] I, output [31:0] O);
    parameter ICAP_WIDTH = "X32";
    integer clocks = 0;
    reg seen_early = 0;
    assign O = 32'hFFFFFFFF;
    always @(posedge CLK) begin
        clocks <= clocks + 1;
        if (CSIB !== 1 && !bench.dut.board.processor.ps7.loading) seen_early <= 1;
    end
endmodule

module reconfigurable_module(input clk, reset, start, input [63:0] command_data,
    input command_valid, output command_ready, input [63:0] parameters_data,
    input parameters_valid, output parameters_ready, input [63:0] input_data, input input_valid,
    output input_ready, output [63:0] output_data, output output_valid, input output_ready,
    output error, output [63:0] module_id);
    assign {command_ready, parameters_ready, input_ready, output_data} = 0;
    assign {output_valid, error, module_id} = 0;
endmodule

module PS7(
    output reg [3:0] FCLKCLK, output [3:0] FCLKRESETN, input [19:0] IRQF2P,
    input MAXIGP0ACLK, MAXIGP0ARREADY, MAXIGP0AWREADY, MAXIGP0WREADY, MAXIGP0BVALID, MAXIGP0RVALID,
    input MAXIGP0RLAST, input [11:0] MAXIGP0BID, MAXIGP0RID, input [1:0] MAXIGP0BRESP, MAXIGP0RRESP,
    input [31:0] MAXIGP0RDATA,
    output reg MAXIGP0ARVALID, MAXIGP0AWVALID, MAXIGP0WVALID, MAXIGP0BREADY, MAXIGP0RREADY,
    output MAXIGP0WLAST, output [11:0] MAXIGP0ARID, MAXIGP0AWID, output [3:0] MAXIGP0ARLEN,
    output [3:0] MAXIGP0AWLEN, output [1:0] MAXIGP0ARSIZE, MAXIGP0AWSIZE, MAXIGP0ARBURST,
    output [1:0] MAXIGP0AWBURST, output [3:0] MAXIGP0WSTRB,
    output reg [31:0] MAXIGP0ARADDR, MAXIGP0AWADDR, MAXIGP0WDATA,
    `HP(0), `HP(1), `HP(2), `HP(3)
);
    reg running = 0, loading = 0;
    reg [31:0] data;
    reg [1:0] response;
    assign FCLKRESETN = {3'b0, running};
    assign MAXIGP0WLAST = 1;
    assign {MAXIGP0ARID, MAXIGP0AWID} = {12'hABC, 12'h123};
    assign {MAXIGP0ARLEN, MAXIGP0AWLEN, MAXIGP0WSTRB} = 12'h00F;
    assign {MAXIGP0ARSIZE, MAXIGP0AWSIZE, MAXIGP0ARBURST, MAXIGP0AWBURST} = 8'b10_10_01_01;
    initial begin
        FCLKCLK = 0;
        {MAXIGP0ARVALID, MAXIGP0AWVALID, MAXIGP0WVALID, MAXIGP0BREADY, MAXIGP0RREADY} = 0;
        #500000 forever #3500 FCLKCLK[0] = !FCLKCLK[0];
    end

    task read(input [31:0] address);
        begin
            MAXIGP0ARADDR <= address;
            MAXIGP0ARVALID <= 1;
            @(posedge MAXIGP0ACLK);
            while (!MAXIGP0ARREADY) @(posedge MAXIGP0ACLK);
            MAXIGP0ARVALID <= 0;
            MAXIGP0RREADY <= 1;
            @(posedge MAXIGP0ACLK);
            while (!MAXIGP0RVALID) @(posedge MAXIGP0ACLK);
            data = MAXIGP0RDATA;
            response = MAXIGP0RRESP;
            if (MAXIGP0RID !== 12'hABC || MAXIGP0RLAST !== 1) $display("wrong ID or LAST");
            MAXIGP0RREADY <= 0;
            @(posedge MAXIGP0ACLK);
        end
    endtask

    task write(input [31:0] address, input [31:0] value);
        begin
            MAXIGP0AWADDR <= address;
            MAXIGP0WDATA <= value;
            MAXIGP0AWVALID <= 1;
            MAXIGP0WVALID <= 1;
            @(posedge MAXIGP0ACLK);
            while (!MAXIGP0AWREADY) @(posedge MAXIGP0ACLK);
            MAXIGP0AWVALID <= 0;
            while (!MAXIGP0WREADY) @(posedge MAXIGP0ACLK);
            MAXIGP0WVALID <= 0;
            MAXIGP0BREADY <= 1;
            @(posedge MAXIGP0ACLK);
            while (!MAXIGP0BVALID) @(posedge MAXIGP0ACLK);
            if (MAXIGP0BRESP !== 0 || MAXIGP0BID !== 12'h123) $display("wrong BRESP or ID");
            MAXIGP0BREADY <= 0;
            @(posedge MAXIGP0ACLK);
            loading = loading | address == `BASE + `CONTROL;
        end
    endtask

    `MEMORY(0)
    `MEMORY(1)
    `MEMORY(2)
    `MEMORY(3)
endmodule
