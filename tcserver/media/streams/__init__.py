"""Byte streams as a way to the media plane: in this process, or handed on to the media workers."""
