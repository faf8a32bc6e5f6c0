"""Sessions with a device: recorded on any of them, and played back as the device `replay`.

- `calls`: a call of `Device` as plain data: arguments to compare, a result to give back.
- `memory`: what host and device change in buffers between calls.
- `file`: a recording on disk, checked whole before it is played: by `shape`, what plain data looks
  like, and `validation`, what the calls of a session hold and refer to.
- `session_device`: what both of these share. `recorder`: a device that passes every call on and
  keeps it. `replay`: a device made of what was kept.
"""
