"""Where memories lie in the address space that the static region's DMA engines see."""

FEATURE_MEMORY_BASE = 0xF000_0000
"""On-chip feature maps: above every DRAM address of the supported boards' 32-bit space."""

BLOCK_ALIGNMENT = 64
"""Parameter blocks, rings and tensors start at multiples of this."""


def on_chip(address: int) -> bool:
    """Tell whether an address lies in the feature memory."""
    return FEATURE_MEMORY_BASE <= address < 1 << 32


def align(size_bytes: int) -> int:
    """Round a size up to whole blocks."""
    return -(-size_bytes // BLOCK_ALIGNMENT) * BLOCK_ALIGNMENT
