// Watches one direction of a valid/ready channel, each clock.
//
// `unknown` and `unstable` stay once they are set, until a reset. A signal that the watched side does not drive is
// not looked at: see the parameters.

`timescale 1ns / 1ps

module monitor #(
    parameter integer WIDTH = 1,
    parameter OFFERS = 1'b1,   // the watched side drives valid and data, otherwise ready
    parameter LANES = 1'b0     // data is {strobes of 8 bytes, 64 bits, last}: bytes without are free
) (
    input wire clk,
    input wire rst,
    input wire may_withdraw,   // what was offered before this edge need not stay
    input wire valid,
    input wire ready,
    input wire [WIDTH-1:0] data,
    output reg unknown,
    output reg unstable
);
    reg held;
    reg [WIDTH-1:0] last;
    wire [WIDTH-1:0] matters;

    initial begin
        unknown = 1'b0;
        unstable = 1'b0;
        held = 1'b0;
    end

    genvar lane;
    generate
        if (LANES) begin
            assign matters[0] = data[0];
            assign matters[WIDTH-1-:8] = data[WIDTH-1-:8];
            for (lane = 0; lane < 8; lane = lane + 1) begin : lanes
                assign matters[1+8*lane+:8] = data[1+8*lane+:8] & {8{data[WIDTH-8+lane]}};
            end
        end
        else assign matters = data;
    endgenerate

    always @(posedge clk)
        if (rst !== 1'b0) begin
            unknown <= 1'b0;
            unstable <= 1'b0;
            held <= 1'b0;
        end
        else if (OFFERS) begin
            if (^valid === 1'bx || (valid && ^matters === 1'bx)) unknown <= 1'b1;
            if (held && !may_withdraw && (valid !== 1'b1 || data !== last)) unstable <= 1'b1;
            held <= valid === 1'b1 && ready !== 1'b1;
            last <= data;
        end
        else if (^ready === 1'bx) unknown <= 1'b1;
endmodule
