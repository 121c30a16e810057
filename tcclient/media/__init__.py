"""Media in and out of a call: files to play (`reader`), a test picture, recordings (`recorder`) and devices.

Everything but `devices` is synchronous and without a clock: the caller paces what is played.
"""
