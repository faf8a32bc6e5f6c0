"""The smallest modules, `scale`, `add` and `clamp`: one operation on every element.

A command's way through the files: `intake` takes descriptor and table, `walker` cuts the input into
chunks of a value for each lane, an operator of `operators` computes them, and `collector` puts the
results into beats. `elementwise` joins them behind the module boundary.
"""

from hw.modules.elementwise.elementwise import rtl as rtl
