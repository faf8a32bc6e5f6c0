// What crosses from a module to the static side while its partition is reconfigured.
//
// Stands between a module and the pins of its partition. While `garbage` is not low, each wire that
// the module drives is unknown in a simulator of four values, and another pseudo-random value each
// clock in one of two (or with RANDOM). The wires are those of fpga_rt/contract/boundary.py; those
// towards the module need nothing, since no module is there.

`timescale 1ns / 1ps

module boundary_injector #(
`ifdef VERILATOR
    parameter RANDOM = 1'b1,
`else
    parameter RANDOM = 1'b0,
`endif
    parameter [63:0] SEED = 64'h9E3779B97F4A7C15  // not 0
) (
    input wire clk,
    input wire garbage,

    input wire module_command_ready,
    input wire module_parameters_ready,
    input wire module_input_ready,
    input wire [63:0] module_output_data,
    input wire module_output_valid,
    input wire module_error,
    input wire [63:0] module_module_id,

    output wire command_ready,
    output wire parameters_ready,
    output wire input_ready,
    output wire [63:0] output_data,
    output wire output_valid,
    output wire error,
    output wire [63:0] module_id
);
    localparam integer WIDTH = 133;

    function [63:0] after(input [63:0] state);  // xorshift64
        reg [63:0] x;
        begin
            x = state ^ (state << 13);
            x = x ^ (x >> 7);
            after = x ^ (x << 17);
        end
    endfunction

    reg [63:0] low, middle, high;
    initial begin
        low = SEED;
        middle = after(SEED);
        high = after(after(SEED));
    end
    always @(posedge clk) begin
        low <= after(high);
        middle <= after(after(high));
        high <= after(after(after(high)));
    end

    wire [WIDTH-1:0] random = {high[4:0], middle, low};
    wire [WIDTH-1:0] driven = {
        module_command_ready, module_parameters_ready, module_input_ready, module_output_valid,
        module_error, module_output_data, module_module_id
    };
    assign {
        command_ready, parameters_ready, input_ready, output_valid,
        error, output_data, module_id
    } = garbage === 1'b0 ? driven : RANDOM ? random : {WIDTH{1'bx}};
endmodule
