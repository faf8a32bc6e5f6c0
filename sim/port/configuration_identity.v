// The module that the first words of a frame name for a partition: `read.identity_words` backwards.
//
// Combinational; it works only while it is asked, since a digest takes a simulator some time.

`timescale 1ns / 1ps

module configuration_identity (
    input wire asked,
    input wire [191:0] head,                  // magic, identity, partition, digest of these
    input wire [31:0] partition,
    output reg [63:0] identity                // 0 for none, and while it is not asked
);
    localparam [31:0] MAGIC = 32'h46524D31;
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

    always @* begin
        identity = 64'd0;
        if (asked && head[191:160] == MAGIC && head[95:64] == partition)
            if (head[63:0] == digest(head[191:64])) identity = head[159:96];
    end
endmodule
