"""The device `pynq`: a Zynq board, driven straight through its kernel's interfaces.

From the bottom up:

- `kernel`: where those interfaces lie. `registers`: words behind a mapping.
- `firmware`: bitstreams as files that the kernel finds; `fpga_manager`, `pcap_load`: loads of them.
- `overlay`: a full bitstream through PYNQ.
- `lock`: one process at a time; `port_switch`: PCAP or ICAP.
- `buffers`: contiguous memory; `interrupts`: the end of a program without polling.
- `opened`: all of these while a device is open; `device`: puts them to use.
"""
