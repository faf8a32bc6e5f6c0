// A small static region: one partition, a copy through its module, and a configuration controller
// that checks nothing. Registers (bytes): 00 a constant, 20 source, 28 start, 30 destination,
// 34 beats (a multiple of 16), 40 bitstream, 48 words, 4c start, 100 and 104 module_id, 108 bit 0
// decouples the module (what it offers is not taken), bit 1 resets it.
module small_static_region (
    input clk, input rst, input icap_clk, input icap_rst,
    input [11:0] s_axi_awaddr, input s_axi_awvalid, output s_axi_awready,
    input [31:0] s_axi_wdata, input [3:0] s_axi_wstrb, input s_axi_wvalid, output s_axi_wready,
    output reg [1:0] s_axi_bresp, output reg s_axi_bvalid, input s_axi_bready,
    input [11:0] s_axi_araddr, input s_axi_arvalid, output s_axi_arready,
    output reg [31:0] s_axi_rdata, output reg [1:0] s_axi_rresp, output reg s_axi_rvalid,
    input s_axi_rready,
    output reg [31:0] configuration_araddr, output [7:0] configuration_arlen,
    output [2:0] configuration_arsize, output [1:0] configuration_arburst,
    output reg configuration_arvalid, input configuration_arready,
    input [63:0] configuration_rdata, input [1:0] configuration_rresp, input configuration_rlast,
    input configuration_rvalid, output configuration_rready,
    output reg [31:0] features_0_read_araddr, output [7:0] features_0_read_arlen,
    output [2:0] features_0_read_arsize, output [1:0] features_0_read_arburst,
    output reg features_0_read_arvalid, input features_0_read_arready,
    input [63:0] features_0_read_rdata, input [1:0] features_0_read_rresp,
    input features_0_read_rlast, input features_0_read_rvalid, output features_0_read_rready,
    output reg [31:0] features_0_write_awaddr, output [7:0] features_0_write_awlen,
    output [2:0] features_0_write_awsize, output [1:0] features_0_write_awburst,
    output reg features_0_write_awvalid, input features_0_write_awready,
    output [63:0] features_0_write_wdata, output [7:0] features_0_write_wstrb,
    output features_0_write_wlast, output features_0_write_wvalid, input features_0_write_wready,
    input [1:0] features_0_write_bresp, input features_0_write_bvalid,
    output features_0_write_bready,
    output reg rp_0_reset, output reg rp_0_start,
    output [63:0] rp_0_command_data, output rp_0_command_valid, input rp_0_command_ready,
    output [63:0] rp_0_parameters_data, output rp_0_parameters_valid, input rp_0_parameters_ready,
    output reg [63:0] rp_0_input_data, output reg rp_0_input_valid, input rp_0_input_ready,
    input [63:0] rp_0_output_data, input rp_0_output_valid, output reg rp_0_output_ready,
    input rp_0_error, input [63:0] rp_0_module_id,
    output reg icap_csib, output icap_rdwrb, output reg [31:0] icap_i, input [31:0] icap_o,
    output interrupt, output configuration_running, output reg event_start_0,
    output reg event_end_0, output reg [31:0] bus_errors
);
    assign {configuration_arlen, features_0_read_arlen, features_0_write_awlen} = {3{8'd15}};
    assign {configuration_arsize, features_0_read_arsize, features_0_write_awsize} = {3{3'd3}};
    assign {configuration_arburst, features_0_read_arburst, features_0_write_awburst} = {3{2'd1}};
    assign {rp_0_command_valid, rp_0_parameters_valid, icap_rdwrb} = 3'd0;
    assign {rp_0_command_data, rp_0_parameters_data} = 128'd0;

    // ---- registers
    reg [31:0] source, destination, beats, bitstream, words;
    reg [63:0] module_id;
    reg start, start_load, decouple;
    wire do_write = s_axi_awvalid && s_axi_wvalid && !s_axi_bvalid;
    assign s_axi_awready = do_write, s_axi_wready = do_write;
    assign s_axi_arready = !s_axi_rvalid;
    always @(posedge clk) begin
        module_id <= rp_0_module_id;
        {start, start_load} <= 2'd0;
        if (s_axi_bready) s_axi_bvalid <= 1'b0;
        if (do_write) begin
            s_axi_bvalid <= 1'b1;
            s_axi_bresp <= 2'd0;
            case (s_axi_awaddr)
                12'h020: source <= s_axi_wdata;
                12'h028: start <= 1'b1;
                12'h030: destination <= s_axi_wdata;
                12'h034: beats <= s_axi_wdata;
                12'h040: bitstream <= s_axi_wdata;
                12'h048: words <= s_axi_wdata;
                12'h04c: start_load <= 1'b1;
                12'h108: {rp_0_reset, decouple} <= s_axi_wdata[1:0];
                default: s_axi_bresp <= 2'd2;
            endcase
        end
        if (s_axi_rready) s_axi_rvalid <= 1'b0;
        if (s_axi_arvalid && s_axi_arready) begin
            s_axi_rvalid <= 1'b1;
            s_axi_rresp <= 2'd0;
            case (s_axi_araddr)
                12'h000: s_axi_rdata <= 32'hCAFE0001;
                12'h020: s_axi_rdata <= source;
                12'h100: s_axi_rdata <= module_id[31:0];
                12'h104: s_axi_rdata <= module_id[63:32];
                default: s_axi_rresp <= 2'd2;
            endcase
        end
        if (rst) decouple <= 1'b1;
        if (rst) {s_axi_bvalid, s_axi_rvalid, rp_0_reset, start, start_load} <= 0;
    end

    // ---- copy: read, module, write
    reg [31:0] to_request, to_write, to_answer;
    reg [63:0] fifo[0:31];
    reg [5:0] fill, take;
    reg [3:0] beat;
    reg announced;
    wire [5:0] level = fill - take;
    assign features_0_read_rready = !rp_0_input_valid || rp_0_input_ready;
    assign features_0_write_bready = 1'b1;
    assign features_0_write_wvalid = announced && !features_0_write_awvalid;
    assign features_0_write_wdata = fifo[take[4:0]];
    assign features_0_write_wstrb = 8'hff;
    assign features_0_write_wlast = &beat;
    assign interrupt = to_answer == 0;
    always @(posedge clk) begin
        {event_start_0, event_end_0} <= {start, 1'b0};
        if (start) begin
            {to_request, to_write, to_answer} <= {3{beats}};
            features_0_read_araddr <= source - 128;
            features_0_write_awaddr <= destination - 128;
        end
        if (!features_0_read_arvalid || features_0_read_arready) begin
            features_0_read_arvalid <= to_request != 0;
            if (to_request != 0) begin
                features_0_read_araddr <= features_0_read_araddr + 128;
                to_request <= to_request - 16;
            end
        end
        if (features_0_read_rready) begin
            rp_0_input_valid <= features_0_read_rvalid;
            rp_0_input_data <= features_0_read_rdata;
            if (features_0_read_rvalid && features_0_read_rresp != 0) bus_errors <= bus_errors + 1;
        end
        rp_0_output_ready <= level < 28 && !decouple;
        if (rp_0_output_ready && rp_0_output_valid) begin
            fifo[fill[4:0]] <= rp_0_output_data;
            fill <= fill + 1'b1;
        end
        if (!announced && level >= 16 && to_write != 0) begin
            announced <= 1'b1;
            features_0_write_awvalid <= 1'b1;
            features_0_write_awaddr <= features_0_write_awaddr + 128;
            to_write <= to_write - 16;
        end
        if (features_0_write_awvalid && features_0_write_awready) features_0_write_awvalid <= 1'b0;
        if (features_0_write_wvalid && features_0_write_wready) begin
            take <= take + 1'b1;
            beat <= beat + 1'b1;
            if (&beat) announced <= 1'b0;
        end
        if (features_0_write_bvalid) begin
            to_answer <= to_answer - 16;
            event_end_0 <= to_answer == 16;
            if (features_0_write_bresp != 0) bus_errors <= bus_errors + 1;
        end
        if (rst) begin
            {to_request, to_write, to_answer, fill, take, beat, announced, bus_errors} <= 0;
            {features_0_read_arvalid, features_0_write_awvalid, rp_0_input_valid} <= 0;
            {rp_0_output_ready, event_start_0, event_end_0, rp_0_start} <= 0;
        end
    end

    // ---- configuration: 128 beats of buffer between the clocks
    reg [63:0] buffer[0:127];
    reg [31:0] requested, arrived, sent, length;
    reg loading;
    assign configuration_rready = 1'b1;
    assign configuration_running = loading;
    always @(posedge clk) begin
        if (start_load) begin
            loading <= 1'b1;
            {requested, arrived} <= 0;
            length <= words;
            configuration_araddr <= bitstream - 128;
        end
        if (!configuration_arvalid || configuration_arready) begin
            configuration_arvalid <= loading && 2 * requested < length
                && requested - (sent >> 1) <= 96;
            if (loading && 2 * requested < length && requested - (sent >> 1) <= 96) begin
                configuration_araddr <= configuration_araddr + 128;
                requested <= requested + 16;
            end
        end
        if (configuration_rvalid) begin
            buffer[arrived[6:0]] <= configuration_rdata;
            arrived <= arrived + 1;
        end
        if (loading && sent == length) loading <= 1'b0;
        if (rst) {loading, requested, arrived, configuration_arvalid, length} <= 0;
    end

    wire [63:0] two = buffer[sent[7:1]];
    wire [31:0] word = sent[0] ? two[63:32] : two[31:0];  // big-endian in memory
    integer index;
    always @(posedge icap_clk) begin
        icap_csib <= 1'b1;
        if (!loading) sent <= 0;
        else if (sent < 2 * arrived && sent < length) begin
            icap_csib <= 1'b0;
            // Bytes swap to big-endian, bits swap in each byte: all 32 bits turn round.
            for (index = 0; index < 32; index = index + 1) icap_i[index] <= word[31 - index];
            sent <= sent + 1;
        end
        if (icap_rst) sent <= 0;
    end
endmodule
