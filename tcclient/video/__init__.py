"""Video: frames cut into packets and put together again, the tracker in front of the decoder, and the codecs.

``assembly`` and ``gate`` need nothing but the standard library; ``codec`` needs PyAV. Nothing here knows a clock, a
socket or a thread: the caller runs encoders and decoders off the event loop.
"""
