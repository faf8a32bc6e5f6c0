// The static side, the switch that stands for the partition, and the configuration port.

`timescale 1ns / 1ps

module top #(
    parameter integer ICAP = 2, FRAME_WORDS = 101, PARTITIONS = 1, COLUMNS = 1,
    parameter [31:0] IDCODE = 0,
    parameter FRAMES = "frames.hex"
) (
    input wire clk,
    input wire csib,
    input wire rdwrb,
    input wire [31:0] i,
    input wire decouple,
    input wire reset,
    input wire step,
    output wire [7:0] count
);
    wire [PARTITIONS-1:0] garbage;
    wire loaded, module_reset, module_step;
    wire [7:0] loaded_partition, module_count;
    wire [63:0] loaded_id;

    configuration_port #(
        .ICAP(ICAP), .IDCODE(IDCODE), .FRAME_WORDS(FRAME_WORDS), .PARTITIONS(PARTITIONS),
        .COLUMNS(COLUMNS), .FRAMES(FRAMES)
    ) port (
        .clk(clk), .csib(csib), .rdwrb(rdwrb), .i(i), .o(), .avail(), .prdone(), .prerror(),
        .pcap_owns(1'b0), .garbage(garbage), .loaded(loaded), .loaded_partition(loaded_partition),
        .loaded_id(loaded_id), .crc_error(), .id_error(), .far_error(), .synced(),
        .frame_written(), .frame_address()
    );

    static_side static_region (
        .clk(clk), .decouple(decouple), .reset(reset), .step(step), .count(count),
        .module_reset(module_reset), .module_step(module_step), .module_count(module_count)
    );

    partition_0 partition (
        .port_clk(clk), .garbage(garbage[0]), .loaded(loaded),
        .loaded_partition(loaded_partition), .loaded_id(loaded_id),
        .reset(module_reset), .step(module_step), .count(module_count), .clk(clk)
    );
endmodule
