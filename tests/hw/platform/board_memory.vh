// A memory port of PS7 and a memory behind it that holds its own addresses.
`define HP(n) \
    input SAXIHP``n``ACLK, SAXIHP``n``ARVALID, SAXIHP``n``AWVALID, SAXIHP``n``WVALID, \
    input SAXIHP``n``WLAST, SAXIHP``n``BREADY, SAXIHP``n``RREADY, \
    input [31:0] SAXIHP``n``ARADDR, SAXIHP``n``AWADDR, input [5:0] SAXIHP``n``ARID, \
    input [5:0] SAXIHP``n``AWID, SAXIHP``n``WID, input [3:0] SAXIHP``n``ARLEN, SAXIHP``n``AWLEN, \
    input [3:0] SAXIHP``n``ARCACHE, SAXIHP``n``AWCACHE, input [1:0] SAXIHP``n``ARSIZE, \
    input [1:0] SAXIHP``n``AWSIZE, SAXIHP``n``ARBURST, SAXIHP``n``AWBURST, \
    input [63:0] SAXIHP``n``WDATA, input [7:0] SAXIHP``n``WSTRB, \
    output SAXIHP``n``ARREADY, SAXIHP``n``AWREADY, SAXIHP``n``WREADY, SAXIHP``n``BVALID, \
    output [1:0] SAXIHP``n``BRESP, SAXIHP``n``RRESP, output [5:0] SAXIHP``n``RID, \
    output SAXIHP``n``RLAST, SAXIHP``n``RVALID, output [63:0] SAXIHP``n``RDATA

`define MEMORY(n) \
    reg [4:0] left``n = 0; \
    reg [31:0] at``n = 0; \
    reg [5:0] id``n = 0; \
    assign SAXIHP``n``ARREADY = left``n == 0; \
    assign SAXIHP``n``RVALID = left``n != 0; \
    assign SAXIHP``n``RLAST = left``n == 1; \
    assign {SAXIHP``n``RID, SAXIHP``n``RDATA} = {id``n, 32'hDA7A0000, at``n}; \
    assign {SAXIHP``n``RRESP, SAXIHP``n``BRESP, SAXIHP``n``BVALID} = 0; \
    assign {SAXIHP``n``AWREADY, SAXIHP``n``WREADY} = 3; \
    always @(posedge SAXIHP``n``ACLK) begin \
        if (SAXIHP``n``AWVALID !== 0) $display("write on port n"); \
        if (SAXIHP``n``ARVALID === 1 && left``n == 0) begin \
            $display("memory n %h %0d %b %b %h", SAXIHP``n``ARADDR, SAXIHP``n``ARLEN, \
                     SAXIHP``n``ARSIZE, SAXIHP``n``ARBURST, SAXIHP``n``ARID); \
            left``n <= SAXIHP``n``ARLEN + 1; \
            at``n <= SAXIHP``n``ARADDR; \
            id``n <= SAXIHP``n``ARID; \
        end else if (left``n != 0 && SAXIHP``n``RREADY === 1) begin \
            left``n <= left``n - 1; \
            at``n <= at``n + 8; \
        end \
    end
