// A module that adds ADDEND to every beat of its input. It only knows what to add after a reset.
module small_module (
    input clk, input reset, input start,
    input [63:0] command_data, input command_valid, output command_ready,
    input [63:0] parameters_data, input parameters_valid, output parameters_ready,
    input [63:0] input_data, input input_valid, output input_ready,
    output reg [63:0] output_data, output reg output_valid, input output_ready,
    output error, output [63:0] module_id
);
    reg [63:0] addend;
    assign {command_ready, parameters_ready, error} = 3'b110;
    assign module_id = 64'hMODULE_ID;
    assign input_ready = !output_valid || output_ready;
    always @(posedge clk) begin
        if (input_ready) begin
            output_valid <= input_valid;
            output_data <= input_data + addend;
        end
        if (reset) begin
            addend <= 64'dADDEND;
            output_valid <= 1'b0;
        end
    end
endmodule
