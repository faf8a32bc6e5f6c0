"""Parameters for a network that no longer sees what it was trained on, under a budget of bytes.

    samples       what the device sees, with labels or without
    layers, graph the integer network in real numbers, its folded normalisation opened again
    policies      which parameters move: `statistics`, `affine`, ... `full`
    fit           training; the only other file that computes gradients is `sensitivity`
    fold          back to integers on the same tensors, scales and shifts
    budget        the bytes of the package, and weights left as they were until it is small enough
    adaptation    one policy after the other, judged on samples held back; `auto` chooses

Needs the extra `torch`; nothing that runs on a device imports this.
"""
