"""The device `xrt`: an Alveo card, through XRT.

XRT swaps one partition, the User partition, and swaps it whole: an xclbin holds the static region
and one module. From the bottom up:

- `xclbin`: the file, as far as it must be known before a card is given it; `files`: which of them
  holds which module.
- `library`: pyxrt, and what XRT offers in C only. `registers`: of the static region.
- `memory`: buffers in a bank, and that their content outlasts a swap.
- `card`: all of these; `swap`: a load while the host goes on; `device`: puts them to use.
"""
