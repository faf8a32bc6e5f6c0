// Two modules for one partition, and the static side around it.
//
// The boundary is small: `reset` and `step` go to the module, `count` comes back. A module need not
// give a value before it was reset.

`timescale 1ns / 1ps

module count_up (
    input wire clk,
    input wire reset,
    input wire step,
    output reg [7:0] count
);
    always @(posedge clk)
        if (reset) count <= 8'd0;
        else if (step) count <= count + 8'd1;
endmodule

module count_down (
    input wire clk,
    input wire reset,
    input wire step,
    output reg [7:0] count
);
    always @(posedge clk)
        if (reset) count <= 8'd255;
        else if (step) count <= count - 8'd1;
endmodule

// Lets nothing of the module through while it is decoupled; registered in both directions.
module static_side (
    input wire clk,
    input wire decouple,
    input wire reset,
    input wire step,
    output reg [7:0] count,

    output reg module_reset,
    output reg module_step,
    input wire [7:0] module_count
);
    always @(posedge clk) begin
        module_reset <= reset;
        module_step <= step && !decouple;
        if (!decouple) count <= module_count;
    end
endmodule
