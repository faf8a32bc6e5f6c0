// The configuration port of the device: ICAPE2 or ICAPE3, and the configuration logic behind it.
//
// Behavioural, for simulation: what a stream of words does to the port and to the partitions. The
// pins are here, what words mean is in `configuration_logic`. Frame contents are not kept, only the
// identity in a partition's first frame. In the 4-state world and in the 2-state one it does the
// same. docs/reference/configuration-port.md has every rule with its source.
//
// The pins change after a rising edge of `clk`; what an edge takes is seen on `o` and on the
// simulation-only outputs after that same edge.

`timescale 1ns / 1ps

module configuration_port #(
    parameter integer ICAP = 2,               // 2: ICAPE2, 3: ICAPE3
    parameter [31:0] IDCODE = 32'h03727093,   // of bitstreams; the top nibble is not compared
    parameter integer FRAME_WORDS = 101,
    parameter integer PARTITIONS = 1,         // at most 16
    parameter integer POWER_UP_CLOCKS = 125,  // deaf for 1.25 us (at 100 MHz)
    parameter integer COLUMNS = 1,            // lines of FRAMES
    parameter FRAMES = "frames.hex"           // the frames of the device, see frames.py
) (
    input wire clk,
    input wire csib,
    input wire rdwrb,
    input wire [31:0] i,
    output wire [31:0] o,
    output wire avail,
    output wire prdone,
    output wire prerror,

    // Simulation only.
    input wire pcap_owns,                     // the processor's port has the logic: deaf
    output wire [PARTITIONS-1:0] garbage,      // from the first frame written until a clean load
    output wire loaded,                        // strobe: a load ended clean
    output wire [7:0] loaded_partition,
    output wire [63:0] loaded_id,              // identity found in the frames, 0 for none
    output wire crc_error,                     // until CMD RCRC
    output wire id_error,                      // until CMD RCRC
    output wire far_error,                     // until a clean load
    output wire synced,
    output wire frame_written,                 // strobe, with the address of the frame
    output wire [31:0] frame_address
);
    localparam [1:0] CLOCKS_BEFORE_DATA = 2;  // of a read: the third brings the first word

    // The bits of each byte in reverse order.
    function [31:0] swapped(input [31:0] word);
        reg [31:0] x;
        begin
            x = (word & 32'h55555555) << 1 | (word >> 1 & 32'h55555555);
            x = (x & 32'h33333333) << 2 | (x >> 2 & 32'h33333333);
            swapped = (x & 32'h0F0F0F0F) << 4 | (x >> 4 & 32'h0F0F0F0F);
        end
    endfunction

    integer power_up;
    reg was_selected, was_reading;            // the pins at the clock before
    reg [2:0] abort_step;                     // 1 to 4 on the clocks of an abort
    reg abort_aligned;                        // whether it interrupted a synchronised port
    reg [1:0] read_clock;
    reg is_data;                              // `o` shows a word that is read

    // Pins may be unknown: then a comparison is not true, and what is written is looked at.
    wire is_listening = power_up == 0 && pcap_owns !== 1'b1;
    wire is_selected = csib === 1'b0;
    wire acts = is_listening && (abort_step == 0 || abort_step == 4);
    wire aborts = acts && is_selected && was_selected && (rdwrb != was_reading) === 1'b1;
    wire gives = acts && !aborts && is_selected && rdwrb === 1'b1;
    wire takes = acts && !aborts && is_selected && !gives;
    wire desyncs = is_listening && abort_step == 2;
    wire is_reading, is_error, done;
    wire reads = gives && read_clock == CLOCKS_BEFORE_DATA && is_reading;
    wire [31:0] data;

    configuration_logic #(
        .ICAP(ICAP), .IDCODE(IDCODE), .FRAME_WORDS(FRAME_WORDS), .PARTITIONS(PARTITIONS),
        .COLUMNS(COLUMNS), .FRAMES(FRAMES)
    ) logic_ (
        .clk(clk), .takes(takes), .word(swapped(i)), .reads(reads), .aborts(aborts),
        .desyncs(desyncs), .is_reading(is_reading), .data(data), .is_error(is_error), .done(done),
        .garbage(garbage), .loaded(loaded), .loaded_partition(loaded_partition),
        .loaded_id(loaded_id), .crc_error(crc_error), .id_error(id_error), .far_error(far_error),
        .synced(synced), .frame_written(frame_written), .frame_address(frame_address)
    );

    reg [3:0] flags;                          // CFGERR_B, DALIGN, RIP, IN_ABORT_B
    always @* begin
        case (abort_step)
            3'd0: flags = {!is_error, synced, is_reading, 1'b1};
            3'd1: flags = {!is_error, abort_aligned, 2'b01};
            3'd2: flags = {!is_error, abort_aligned, 2'b00};
            3'd3: flags = {!is_error, 3'b000};
            default: flags = {!is_error, 3'b001};
        endcase
    end
    assign o = !is_listening ? 32'hFFFFFFFF : is_data ? swapped(data) : {24'hFFFFFF, flags, 4'hF};
    assign avail = ICAP != 3 || is_listening;
    assign prdone = ICAP != 3 || done;
    assign prerror = ICAP == 3 && is_error;

    initial begin
        power_up = POWER_UP_CLOCKS;
        {was_selected, was_reading, abort_step, abort_aligned} = 0;
        {read_clock, is_data} = 0;
    end

    always @(posedge clk) begin
        if (power_up != 0) power_up <= power_up - 1;
        was_selected <= is_listening && is_selected;
        if (is_listening) was_reading <= rdwrb;
        if (is_listening && !acts) abort_step <= abort_step + 1'b1;
        else if (acts) abort_step <= aborts ? 3'd1 : 3'd0;
        if (aborts) abort_aligned <= synced;
        is_data <= reads;
        if (!gives) read_clock <= 2'd0;
        else if (read_clock != CLOCKS_BEFORE_DATA) read_clock <= read_clock + 1'b1;
    end
endmodule
