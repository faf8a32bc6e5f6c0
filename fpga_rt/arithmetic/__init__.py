"""The meaning of every operation in integers, once.

Emulator, RTL and boards equal these functions bit for bit. Tensors are int8 arrays
(images, height, width, channels); accumulators are exact integers.
"""
