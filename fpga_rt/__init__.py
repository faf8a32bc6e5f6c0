"""Run neural networks on FPGAs smaller than the network, by swapping modules at run time."""

__version__ = "0.1.0"
