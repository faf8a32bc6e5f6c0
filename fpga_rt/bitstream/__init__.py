"""Configuration streams: what they are made of, how to read, verify and build them.

Streams of 7-series, UltraScale and UltraScale+ devices in every form that the tools write. From the
bottom up:

- `arch.packets`: the vocabulary, and `arch.rules`: what streams may write; the gateware reads both.
- `crc`, `ecc`: the two codes. `sequence`: which frame follows which.
- `walk` finds packets, `segments` reads what lies between sync and DESYNC, `stream` is a file,
  `expand` says which frame it writes where, `read` puts that together.
- `checks` (each packet, by the rules), `forms` (the order of the whole) and `written` (the frames)
  say what may be loaded; `verify` decides.
- `build` and its forms make streams; `shrink` makes them shorter, `diff` compares, `convert`
  changes the word order, `standin` makes them up.
- `locate`, `pblock`, `size`, `summary`, `learn` and `manifest` answer questions about files.
"""
