"""Servers in front of a device: PYNQ.remote, so that PYNQ programs drive a board that is not there.

`schema` states the protocol, `services` answers it, `board` is what it speaks of: a processor's
files, registers and memory around a `Device`.
"""
