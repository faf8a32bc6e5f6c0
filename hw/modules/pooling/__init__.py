"""Pooling and addition: windows of each channel by itself.

`operator` computes; the skeleton around it is `hw.modules.window`.
"""

from hw.modules.pooling.pooling import rtl as rtl
