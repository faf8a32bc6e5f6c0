// A module that shows every bit that it is given.
//
// It mixes all beats of `command` and `parameters` into a key, and answers each beat of `input` with
// that beat under the key, which goes on with every beat. It takes beats and gives them with pauses
// that look random, so that what lies before it has to hold them. The first byte of a command may
// ask for an error (0xEE), for beats that nobody asked for and that change while they are offered
// (0xBB), or that the last beat of a stream is left: of 8 of the command (0xC1), of 212 of parameters
// (0xC2), of 20 of the input (0xC3). Nothing has an initial value.

module probe (
    input clk, reset, start,
    input [63:0] command_data, input command_valid, output command_ready,
    input [63:0] parameters_data, input parameters_valid, output parameters_ready,
    input [63:0] input_data, input input_valid, output input_ready,
    output [63:0] output_data, output output_valid, input output_ready,
    output error, output [63:0] module_id
);
    reg [63:0] mix, key, held;
    reg [15:0] noise;
    reg [7:0] asked;
    reg [2:0] beat;
    reg [7:0] parameter_beats, input_beats;
    wire left_command = asked == 8'hC1 && beat == 7;
    wire left_parameters = asked == 8'hC2 && parameter_beats == 211;
    wire left_input = asked == 8'hC3 && input_beats == 19;
    reg [9:0] later;
    reg running, full, failed, babbling, deaf, waiting;
    wire command_taken = command_valid && command_ready;
    wire parameters_taken = parameters_valid && parameters_ready;
    wire input_taken = input_valid && input_ready;
    assign module_id = 64'hMODULE_ID;
    assign error = failed;
    assign command_ready = !deaf && !left_command && !reset && (noise[0] | noise[3]);
    assign parameters_ready = !deaf && !left_parameters && !reset && (noise[1] | noise[5]);
    assign input_ready = running && !deaf && !left_input && !reset && (noise[2] | noise[7])
        && (!full || output_ready);
    assign output_data = babbling ? {4{noise}} : held;
    assign output_valid = babbling ? noise[4] : full;
    always @(posedge clk) begin
        noise <= {noise[14:0], noise[15] ^ noise[13] ^ noise[12] ^ noise[10]};
        if (command_taken) begin
            beat <= beat + 1;
            if (beat == 0) begin
                asked <= command_data[7:0];
                if (command_data[7:0] == 8'hDD) deaf <= 1;
            end
        end
        if (parameters_taken) parameter_beats <= parameter_beats + 1;
        if (input_taken) input_beats <= input_beats + 1;
        mix <= {mix[62:0], mix[63]};
        if (command_taken || parameters_taken)
            mix <= {mix[62:0], mix[63]} + (command_taken ? command_data : 0)
                + (parameters_taken ? {parameters_data[31:0], parameters_data[63:32]} : 0);
        else mix <= mix;
        if (start) begin
            key <= mix ^ 64'hMODULE_ID;
            running <= 1;
            failed <= failed | (asked == 8'hEE);
            babbling <= babbling | (asked == 8'hBB);
            deaf <= deaf | (asked == 8'hDE);
            waiting <= waiting | (asked == 8'hBC);
        end
        if (waiting) later <= later + 1;
        if (&later) babbling <= 1;
        if (output_ready) full <= 0;
        if (input_taken) begin
            held <= input_data ^ key;
            key <= {key[62:0], key[63]};
            full <= 1;
        end
        if (reset) begin
            mix <= 0;
            noise <= 16'hACE1;
            beat <= 0;
            parameter_beats <= 0;
            input_beats <= 0;
            asked <= 0;
            running <= 0;
            full <= 0;
            failed <= 0;
            babbling <= 0;
            deaf <= 0;
            waiting <= 0;
            later <= 0;
        end
    end
endmodule
