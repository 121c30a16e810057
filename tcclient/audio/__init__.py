"""Audio of the client: codec, jitter buffer, voice detection, transmit gate, mixer and test signals.

Everything here is pure: time comes in as an argument, nothing waits. PCM is 48 kHz, mono, ``numpy.int16``.
"""
