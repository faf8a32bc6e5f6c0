// The configuration port of the device: ICAPE2 or ICAPE3, and the configuration logic behind it.
//
// Behavioural, for simulation: what a stream of words does to the port and to the partitions.
// Frame contents are not kept, only the identity in a partition's first frame. In the 4-state world
// and in the 2-state one it does the same. docs/reference/configuration-port.md has every rule
// with its source.
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
    output reg [PARTITIONS-1:0] garbage,      // from the first frame written until a clean load
    output reg loaded,                        // strobe: a load ended clean
    output reg [7:0] loaded_partition,
    output reg [63:0] loaded_id,              // identity found in the frames, 0 for none
    output reg crc_error,                     // until CMD RCRC
    output reg id_error,                      // until CMD RCRC
    output reg far_error,                     // until a clean load
    output reg synced,
    output reg frame_written,                 // strobe, with the address of the frame
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
    localparam [1:0] CLOCKS_BEFORE_DATA = 2;  // of a read: the third brings the first word
    localparam [15:0] HEAD_WORDS = 6;         // of a frame that may carry an identity
    localparam [15:0] LAST_WORD = FRAME_WORDS[15:0] - 1;
    localparam [15:0] LAST_COLUMN = COLUMNS[15:0] - 1;
    localparam [31:0] FAR_MASK = FRAME_WORDS == 93 ? 32'h07FFFFFF : 32'h03FFFFFF;
    localparam integer PARTITION_BITS = PARTITIONS > 1 ? $clog2(PARTITIONS) : 1;
    localparam integer COLUMN_BITS = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
    localparam [31:0] IDENTITY_MAGIC = 32'h46524D31;
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

    // ---------------------------------------------------------------- words
    // The bits of each byte in reverse order.
    function [31:0] swapped(input [31:0] word);
        reg [31:0] x;
        begin
            x = (word & 32'h55555555) << 1 | (word >> 1 & 32'h55555555);
            x = (x & 32'h33333333) << 2 | (x >> 2 & 32'h33333333);
            swapped = (x & 32'h0F0F0F0F) << 4 | (x >> 4 & 32'h0F0F0F0F);
        end
    endfunction

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
    function [31:0] crc_after(input [31:0] state, input [31:0] word, input [4:0] address);
        reg [31:0] x;
        begin
            x = state ^ word;
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

    // ---------------------------------------------------------------- identity
    localparam [2047:0] SHA_K = {
        256'h428a2f98_71374491_b5c0fbcf_e9b5dba5_3956c25b_59f111f1_923f82a4_ab1c5ed5,
        256'hd807aa98_12835b01_243185be_550c7dc3_72be5d74_80deb1fe_9bdc06a7_c19bf174,
        256'he49b69c1_efbe4786_0fc19dc6_240ca1cc_2de92c6f_4a7484aa_5cb0a9dc_76f988da,
        256'h983e5152_a831c66d_b00327c8_bf597fc7_c6e00bf3_d5a79147_06ca6351_14292967,
        256'h27b70a85_2e1b2138_4d2c6dfc_53380d13_650a7354_766a0abb_81c2c92e_92722c85,
        256'ha2bfe8a1_a81a664b_c24b8b70_c76c51a3_d192e819_d6990624_f40e3585_106aa070,
        256'h19a4c116_1e376c08_2748774c_34b0bcb5_391c0cb3_4ed8aa4a_5b9cca4f_682e6ff3,
        256'h748f82ee_78a5636f_84c87814_8cc70208_90befffa_a4506ceb_bef9a3f7_c67178f2
    };
    localparam [255:0] SHA_START =
        256'h6a09e667_bb67ae85_3c6ef372_a54ff53a_510e527f_9b05688c_1f83d9ab_5be0cd19;

    function automatic [31:0] turned(input [31:0] x, input integer by);
        turned = (x >> by) | (x << (32 - by));
    endfunction

    // The first 64 bits of the SHA-256 of four words.
    function automatic [63:0] digest(input [127:0] message);
        /* verilator no_inline_task */
        reg [511:0] window;
        reg [31:0] a, b, c, d, e, f, g, h, w0, w1, w9, w14, t1, t2;
        integer round;
        begin
            window = {message, 1'b1, 319'd0, 64'd128};
            {a, b, c, d, e, f, g, h} = SHA_START;
            /* verilator unroll_disable */
            for (round = 0; round < 64; round = round + 1) begin
                w0 = window[511:480];
                w1 = window[479:448];
                w9 = window[223:192];
                w14 = window[63:32];
                t1 = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g))
                     + SHA_K[2047-32*round-:32] + w0;
                t2 = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
                h = g;
                g = f;
                f = e;
                e = d + t1;
                d = c;
                c = b;
                b = a;
                a = t1 + t2;
                window = {window[479:0],
                          (turned(w14, 17) ^ turned(w14, 19) ^ (w14 >> 10)) + w9
                          + (turned(w1, 7) ^ turned(w1, 18) ^ (w1 >> 3)) + w0};
            end
            digest = {SHA_START[255:224] + a, SHA_START[223:192] + b};
        end
    endfunction

    // The module that the first words of a frame name for a partition, 0 for none.
    function [63:0] identity(input [191:0] head, input [31:0] partition);
        identity = head[191:160] == IDENTITY_MAGIC && head[95:64] == partition
                   && head[63:0] == digest(head[191:64]) ? head[159:96] : 64'd0;
    endfunction

    // ---------------------------------------------------------------- state
    integer power_up;
    reg was_selected, was_reading;            // the pins at the clock before
    reg [2:0] abort_step;                     // 1 to 4 on the clocks of an abort
    reg abort_aligned;                        // whether it interrupted a synchronised port
    reg [4:0] register;                       // of the packet
    reg has_register;                         // a type 1 header named one
    reg [26:0] words_left;                    // of the packet
    reg is_first;                             // the next word is the packet's first
    reg [26:0] read_left;                     // words that the host may still read
    reg [4:0] read_register;
    reg [1:0] read_clock;
    reg is_data;                              // `o` shows a word that is read
    reg [31:0] data;

    reg [31:0] crc, mask, ctl0, ctl1, cor0, cor1;
    reg [4:0] command;
    reg ghigh_b, eos, done;

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

    wire is_listening = power_up == 0 && !pcap_owns;
    wire is_selected = csib === 1'b0;
    wire is_abort = is_selected && was_selected && rdwrb != was_reading;
    wire [31:0] word = swapped(i);
    wire is_clock_write = ICAP == 3 && ctl1[CLOCK_BIT];
    wire is_one_partition = (touched & (touched - 1'b1)) == 0;
    wire [15:0] one_hot = {{16 - PARTITIONS{1'b0}}, touched};
    wire [3:0] loading = {|(one_hot & 16'hFF00), |(one_hot & 16'hF0F0),
                          |(one_hot & 16'hCCCC), |(one_hot & 16'hAAAA)};
    wire [191:0] loading_head = head[loading[PARTITION_BITS-1:0]];
    wire is_error = crc_error || id_error;

    reg [3:0] flags;                          // CFGERR_B, DALIGN, RIP, IN_ABORT_B
    always @* begin
        case (abort_step)
            3'd0: flags = {!is_error, synced, read_left != 0, 1'b1};
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
        power_up = POWER_UP_CLOCKS;
        {was_selected, was_reading, abort_step, abort_aligned} = 0;
        {register, has_register, words_left, is_first} = 0;
        {read_left, read_register, read_clock, is_data, data} = 0;
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
        if (power_up != 0) power_up <= power_up - 1;
        if (!is_listening) begin
            was_selected <= 1'b0;
            stop_reading;
        end else begin
            was_selected <= is_selected;
            was_reading <= rdwrb;
            if (abort_step != 0 && abort_step != 4) begin
                abort_step <= abort_step + 1'b1;
                if (abort_step == 2) synced <= 1'b0;
            end else begin
                abort_step <= 3'd0;
                if (is_abort) begin
                    abort_step <= 3'd1;
                    abort_aligned <= synced;
                    stop_reading;
                    read_left <= 0;
                    spoil;
                end else if (is_selected && rdwrb) take_out;
                else begin
                    stop_reading;
                    if (is_selected) take_in;
                end
            end
        end
    end

    task stop_reading;
        begin
            read_clock <= 2'd0;
            is_data <= 1'b0;
        end
    endtask

    task take_out;
        begin
            if (read_clock != CLOCKS_BEFORE_DATA) read_clock <= read_clock + 1'b1;
            is_data <= read_clock == CLOCKS_BEFORE_DATA && read_left != 0;
            if (read_clock == CLOCKS_BEFORE_DATA && read_left != 0) begin
                data <= value_of(read_register);
                read_left <= read_left - 1'b1;
            end
        end
    endtask

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
                loaded_id <= (known & touched) == 0 ? 64'd0
                             : identity(loading_head, {28'd0, loading});
            end
        end
    endtask
endmodule
