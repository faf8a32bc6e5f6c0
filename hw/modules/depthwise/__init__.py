"""Depthwise convolution and average pooling: windows of each channel by itself.

`operator` computes; the skeleton around it is `hw.modules.window`.
"""

from hw.modules.depthwise.depthwise import rtl as rtl
