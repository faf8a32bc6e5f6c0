"""Fully connected layers: weights stream past the input vector and are used at once.

A command's way through the files: `intake` takes descriptor and table and lets the weights through,
`walker` keeps the input and brings weights and input together, a step a clock; `neuron` multiplies,
adds up and requantises; the elementwise modules' collector puts the results into beats. `dense`
joins them behind the module boundary.
"""

from hw.modules.dense.dense import rtl as rtl
