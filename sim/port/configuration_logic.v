// The configuration logic behind the pins of `configuration_port`: packets, registers, frames.
//
// What an edge takes is seen on the outputs after that same edge.

`timescale 1ns / 1ps

module configuration_logic #(
    parameter integer ICAP = 2,               // these are of `configuration_port`
    parameter [31:0] IDCODE = 32'h03727093,
    parameter integer FRAME_WORDS = 101,
    parameter integer PARTITIONS = 1,
    parameter integer COLUMNS = 1,
    parameter FRAMES = "frames.hex"
) (
    input wire clk,
    input wire takes,                         // `word` was written to the port
    input wire [31:0] word,
    input wire reads,                         // a word is read: after the edge it is on `data`
    input wire aborts,                        // an abort begins
    input wire desyncs,                       // an abort has come so far that sync is lost
    output wire is_reading,                   // words are left that the host may read
    output reg [31:0] data,
    output wire is_error,
    output reg done,                          // start-up has ended, and no load has begun since

    // As of `configuration_port`.
    output reg [PARTITIONS-1:0] garbage,
    output reg loaded,
    output reg [7:0] loaded_partition,
    output reg [63:0] loaded_id,
    output reg crc_error,
    output reg id_error,
    output reg far_error,
    output reg synced,
    output reg frame_written,
    output reg [31:0] frame_address
);
    localparam [31:0] SYNC = 32'hAA995566;
    localparam [1:0] READ = 2'd1, WRITE = 2'd2;
    localparam [4:0] CRC = 5'h00, FAR = 5'h01, FDRI = 5'h02, CMD = 5'h04, CTL0 = 5'h05;
    localparam [4:0] MASK = 5'h06, STAT = 5'h07, LOUT = 5'h08, COR0 = 5'h09, MFWR = 5'h0A;
    localparam [4:0] IDENT = 5'h0C, COR1 = 5'h0E, CTL1 = 5'h18, CIPHERTEXT = 5'h1A, NESTED = 5'h1E;
    localparam [4:0] WCFG = 5'd1, MFW = 5'd2, LFRM = 5'd3, START = 5'd5, RCRC = 5'd7, AGHIGH = 5'd8;
    localparam [4:0] SHUTDOWN = 5'd11, DESYNC = 5'd13;
    localparam integer CLOCK_BIT = 17;        // of CTL1: frames that hold or release clocks
    localparam [15:0] HEAD_WORDS = 6;         // of a frame that may carry an identity
    localparam [15:0] LAST_WORD = FRAME_WORDS[15:0] - 1;
    localparam [15:0] LAST_COLUMN = COLUMNS[15:0] - 1;
    localparam [31:0] FAR_MASK = FRAME_WORDS == 93 ? 32'h07FFFFFF : 32'h03FFFFFF;
    localparam integer PARTITION_BITS = PARTITIONS > 1 ? $clog2(PARTITIONS) : 1;
    localparam integer COLUMN_BITS = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
    localparam [31:0] POLYNOMIAL = 32'h82F63B78;
    localparam [31:0] RUNNING = 32'h0010786C; // STAT of a running device

    // ---------------------------------------------------------------- the frames of the device
    // A line is a column of frames in counting order:
    // {flags, beside, owner, pads, frames, FAR}; flags: 0 reset mask, 1 nothing known follows.
    reg [111:0] columns[0:COLUMNS-1];
    initial $readmemh(FRAMES, columns);

    reg here;                                 // FAR is a frame of the device
    reg [15:0] column, offset;                // its column, its frame there; pads come last
    reg [31:0] far;                           // FAR as written
    /* verilator lint_off UNUSEDSIGNAL */
    wire [111:0] entry = columns[column[COLUMN_BITS-1:0]];
    /* verilator lint_on UNUSEDSIGNAL */
    wire [31:0] entry_far = entry[31:0];
    wire [15:0] entry_frames = entry[47:32];
    wire [15:0] entry_pads = entry[63:48];
    wire [PARTITIONS-1:0] entry_owner = entry[64+:PARTITIONS];
    wire [PARTITIONS-1:0] entry_beside = entry[80+:PARTITIONS];
    wire entry_is_mask = entry[96];
    wire entry_is_last = entry[97];
    wire is_pad = offset >= entry_frames;
    wire [31:0] current_far = here ? entry_far + {16'd0, offset} : far;

    // {found, column, offset} of an address, by binary search: lines ascend.
    function [32:0] place(input [31:0] address);
        integer low, high, middle, step;
        reg [31:0] distance;
        begin
            low = 0;
            high = COLUMNS;                   // the line is in [low, high) if anywhere
            for (step = 0; step < 20; step = step + 1) begin
                middle = (low + high) / 2;
                if (high - low > 1) begin
                    if (columns[middle][31:0] <= address) low = middle;
                    else high = middle;
                end
            end
            distance = address - columns[low][31:0];
            place = {address >= columns[low][31:0] && distance < {16'd0, columns[low][47:32]},
                     low[15:0], distance[15:0]};
        end
    endfunction

    // ---------------------------------------------------------------- checksums
    // What 8 and 5 shifts of the CRC make of the bits that they shift out.
    reg [31:0] crc_of_byte[0:255];
    reg [31:0] crc_of_address[0:31];
    integer index, shift;
    reg [31:0] remainder;
    initial begin
        for (index = 0; index < 256; index = index + 1) begin
            remainder = index;
            for (shift = 0; shift < 8; shift = shift + 1) begin
                remainder = {1'b0, remainder[31:1]} ^ (remainder[0] ? POLYNOMIAL : 32'd0);
                if (shift == 4 && index < 32) crc_of_address[index] = remainder;
            end
            crc_of_byte[index] = remainder;
        end
    end

    // 37 bits: the data, lowest bit first, then the address of the register.
    function [31:0] crc_after(input [31:0] state, input [31:0] written, input [4:0] address);
        reg [31:0] x;
        begin
            x = state ^ written;
            x = {8'd0, x[31:8]} ^ crc_of_byte[x[7:0]];
            x = {8'd0, x[31:8]} ^ crc_of_byte[x[7:0]];
            x = {8'd0, x[31:8]} ^ crc_of_byte[x[7:0]];
            x = {8'd0, x[31:8]} ^ crc_of_byte[x[7:0]];
            crc_after = {5'd0, x[31:5]} ^ crc_of_address[x[4:0] ^ address];
        end
    endfunction

    function is_counted(input [4:0] address);
        is_counted = !(address == CRC || address == LOUT || address == NESTED
                       || address == CIPHERTEXT);
    endfunction

    // ---------------------------------------------------------------- state
    reg [4:0] register;                       // of the packet
    reg has_register;                         // a type 1 header named one
    reg [26:0] words_left;                    // of the packet
    reg is_first;                             // the next word is the packet's first
    reg [26:0] read_left;                     // words that the host may still read
    reg [4:0] read_register;

    reg [31:0] crc, mask, ctl0, ctl1, cor0, cor1;
    reg [4:0] command;
    reg ghigh_b, eos;

    reg [191:0] arriving, buffered;           // first words of the next frame and the last
    reg [15:0] frame_word;
    reg is_pending;                           // the buffered frame waits for the next one
    reg is_filled;                            // there is one since the sync word

    // Of the segment, from sync to desync.
    reg idcode_ok;
    reg unchecked;                            // frames that no CRC has covered yet
    reg uncovered;                            // frames that none can cover any more
    reg only_clocks;                          // frames were written with CLOCK_BIT set only
    reg shut_down;
    reg [PARTITIONS-1:0] touched;             // partitions that frames were written to
    reg [PARTITIONS-1:0] allowed;             // partitions whose load may write all of them
    reg wrote;                                // a frame was written at all
    reg [PARTITIONS-1:0] taken;               // `head` is of this segment

    // Of the partitions.
    reg [PARTITIONS-1:0] known;               // `head` is what the memory holds
    reg [PARTITIONS-1:0] held, replaced;      // clocks are held; and frames written since
    reg [191:0] head[0:PARTITIONS-1];
    reg [31:0] head_far[0:PARTITIONS-1];

    integer partition;

    wire is_clock_write = ICAP == 3 && ctl1[CLOCK_BIT];
    wire is_one_partition = (touched & (touched - 1'b1)) == 0;
    wire [15:0] one_hot = {{16 - PARTITIONS{1'b0}}, touched};
    wire [3:0] loading = {|(one_hot & 16'hFF00), |(one_hot & 16'hF0F0),
                          |(one_hot & 16'hCCCC), |(one_hot & 16'hAAAA)};
    wire [191:0] loading_head = head[loading[PARTITION_BITS-1:0]];
    // A superset of the clocks that end a load.
    wire may_end = takes && words_left != 0 && register == CMD && word[4:0] == DESYNC;
    wire [63:0] named;                        // the module in `loading_head`
    configuration_identity names (
        .asked(may_end), .head(loading_head), .partition({28'd0, loading}), .identity(named)
    );
    assign is_error = crc_error || id_error;
    assign is_reading = read_left != 0;

    function [31:0] value_of(input [4:0] address);
        case (address)
            CRC: value_of = crc;
            FAR: value_of = current_far;
            CMD: value_of = {27'd0, command};
            CTL0: value_of = ctl0;
            MASK: value_of = mask;
            STAT: value_of = RUNNING | {16'd0, id_error, 7'd0, ghigh_b, 2'd0, eos, 3'd0, crc_error};
            COR0: value_of = cor0;
            IDENT: value_of = IDCODE;
            COR1: value_of = cor1;
            CTL1: value_of = ctl1;
            default: value_of = 32'd0;
        endcase
    endfunction

    initial begin
        {register, has_register, words_left, is_first} = 0;
        {read_left, read_register, data} = 0;
        {crc, mask, ctl0, ctl1, cor0, cor1, command} = 0;
        {ghigh_b, eos, done} = 3'b111;
        {arriving, buffered, frame_word, is_pending, is_filled} = 0;
        {here, column, offset, far} = 0;
        {idcode_ok, unchecked, uncovered, only_clocks, shut_down, wrote} = 0;
        {touched, allowed, taken} = 0;
        {known, held, replaced, garbage} = 0;
        {loaded, loaded_partition, loaded_id, frame_written, frame_address} = 0;
        {crc_error, id_error, far_error, synced} = 0;
        for (partition = 0; partition < PARTITIONS; partition = partition + 1) begin
            head[partition] = 0;
            head_far[partition] = 0;
        end
    end

    // ---------------------------------------------------------------- behaviour
    always @(posedge clk) begin
        loaded <= 1'b0;
        frame_written <= 1'b0;
        if (desyncs) synced <= 1'b0;
        if (aborts) begin
            read_left <= 0;
            spoil;
        end
        if (reads) begin
            data <= value_of(read_register);
            read_left <= read_left - 1'b1;
        end
        if (takes) take_in;
    end

    task take_in;
        if (!synced) begin
            if (word === SYNC) begin_segment;
        end else if (^word === 1'bx) begin
            crc_error <= 1'b1;                // no stream: unknown pins fail a load
            lose_sync;
        end else if (words_left != 0) begin
            words_left <= words_left - 1'b1;
            is_first <= 1'b0;
            if (has_register) write_register;
        end else if (word[31:29] == 3'd1) begin
            if (word[28:27] == READ || word[28:27] == WRITE) begin
                has_register <= 1'b1;
                register <= word[17:13];
                open_packet(word[28:27], word[17:13], {16'd0, word[10:0]});
            end
        end else if (word[31:29] == 3'd2) begin
            if (word[28:27] == READ || word[28:27] == WRITE)
                open_packet(word[28:27], register, word[26:0]);
        end
    endtask

    task open_packet(input [1:0] opcode, input [4:0] address, input [26:0] count);
        begin
            if (opcode == WRITE) begin
                words_left <= count;
                is_first <= 1'b1;
                if (address == FDRI) done <= 1'b0;
            end else begin
                read_left <= count;
                read_register <= address;
            end
        end
    endtask

    task begin_segment;
        begin
            synced <= 1'b1;
            has_register <= 1'b0;
            register <= 5'd0;
            {words_left, read_left} <= 0;
            crc <= 32'd0;
            command <= 5'd0;
            {is_pending, is_filled, frame_word} <= 0;
            {idcode_ok, unchecked, uncovered, shut_down, wrote} <= 0;
            only_clocks <= 1'b1;
            touched <= 0;
            taken <= 0;
            allowed <= {PARTITIONS{1'b1}};
        end
    endtask

    task write_register;
        begin
            if (is_counted(register)) crc <= crc_after(crc, word, register);
            case (register)
                CRC: begin
                    crc <= 32'd0;
                    unchecked <= 1'b0;
                    if (word !== crc) begin
                        crc_error <= 1'b1;
                        lose_sync;
                    end
                end
                FAR: begin
                    far <= word & FAR_MASK;
                    {here, column, offset} <= place(word & FAR_MASK);
                    {is_pending, frame_word} <= 0;
                end
                FDRI:
                    if (!idcode_ok) begin
                        id_error <= 1'b1;
                        lose_sync;
                    end else if (command == WCFG) take_frame_word;
                CMD: execute;
                CTL0: ctl0 <= (ctl0 & ~mask) | (word & mask);
                MASK: mask <= word;
                COR0: cor0 <= word;
                MFWR: if (is_first && command == MFW && is_filled) write_frame;
                IDENT:
                    if (word[27:0] == IDCODE[27:0]) idcode_ok <= 1'b1;
                    else begin
                        id_error <= 1'b1;
                        lose_sync;
                    end
                COR1: cor1 <= word;
                CTL1: ctl1 <= (ctl1 & ~mask) | (word & mask);
                default: ;
            endcase
        end
    endtask

    task execute;
        begin
            command <= word[4:0];
            case (word[4:0])
                WCFG: {is_pending, frame_word} <= 0;
                LFRM: ghigh_b <= 1'b1;
                START: eos <= 1'b1;
                RCRC: begin
                    crc <= 32'd0;
                    {crc_error, id_error} <= 2'b00;
                    if (unchecked) uncovered <= 1'b1;
                end
                AGHIGH: ghigh_b <= 1'b0;
                SHUTDOWN: begin
                    eos <= 1'b0;
                    shut_down <= 1'b1;
                end
                DESYNC: end_segment;
                default: ;
            endcase
        end
    endtask

    // A frame is written to its address when the next one has come.
    task take_frame_word;
        begin
            if (frame_word < HEAD_WORDS) arriving <= {arriving[159:0], word};
            if (frame_word != LAST_WORD) frame_word <= frame_word + 1'b1;
            else begin
                frame_word <= 16'd0;
                buffered <= arriving;
                is_pending <= 1'b1;
                is_filled <= 1'b1;
                if (is_pending) begin
                    write_frame;
                    count_on;
                end
            end
        end
    endtask

    task count_on;
        if (here) begin
            if (offset + 16'd1 < entry_frames + entry_pads) offset <= offset + 16'd1;
            else if (entry_is_last || column == LAST_COLUMN) begin
                here <= 1'b0;
                far <= current_far + 1'b1;
            end else begin
                column <= column + 16'd1;
                offset <= 16'd0;
            end
        end else far <= far + 1'b1;
    endtask

    task write_frame;
        if (!here) begin
            note_frame(0, 0);
        end else if (!is_pad && !entry_is_mask) begin
            note_frame(entry_owner, entry_beside);
            if (!is_clock_write) keep_head;
        end
    endtask

    task note_frame(input [PARTITIONS-1:0] owner, input [PARTITIONS-1:0] beside);
        reg [PARTITIONS-1:0] hit;
        begin
            hit = touched | owner;
            frame_written <= 1'b1;
            frame_address <= current_far;
            unchecked <= 1'b1;
            wrote <= 1'b1;
            touched <= hit;
            garbage <= garbage | owner;
            allowed <= allowed & (owner | beside);
            if (owner != 0 && !is_clock_write) only_clocks <= 1'b0;
            if ((allowed & (owner | beside)) == 0 || (hit & (hit - 1'b1)) != 0) far_error <= 1'b1;
        end
    endtask

    // The identity is in the lowest frame of a partition that a segment writes.
    task keep_head;
        for (partition = 0; partition < PARTITIONS; partition = partition + 1)
            if (entry_owner[partition]
                && (!taken[partition] || current_far <= head_far[partition])) begin
                head[partition] <= buffered;
                head_far[partition] <= current_far;
                taken[partition] <= 1'b1;
                known[partition] <= 1'b1;
            end
    endtask

    task lose_sync;
        begin
            synced <= 1'b0;
            read_left <= 0;
            spoil;
        end
    endtask

    // What was written so far stays a broken load.
    task spoil;
        begin
            known <= known & ~touched;
            held <= held & ~touched;
            replaced <= replaced & ~touched;
        end
    endtask

    task end_segment;
        begin
            synced <= 1'b0;
            read_left <= 0;
            if (eos) done <= 1'b1;
            if (unchecked || uncovered || !is_one_partition || (touched & ~allowed) != 0) spoil;
            else if (touched != 0) accept;
            else if (wrote) far_error <= 1'b1;
        end
    endtask

    // UltraScale+ partials hold the clocks, write the frames and release the clocks in segments.
    task accept;
        begin
            far_error <= 1'b0;
            if (only_clocks && (replaced & touched) == 0) held <= held | touched;
            else if (!only_clocks && shut_down && (held & touched) != 0)
                replaced <= replaced | touched;
            else begin
                held <= held & ~touched;
                replaced <= replaced & ~touched;
                garbage <= garbage & ~touched;
                loaded <= 1'b1;
                loaded_partition <= {4'd0, loading};
                loaded_id <= (known & touched) == 0 ? 64'd0 : named;
            end
        end
    endtask
endmodule
