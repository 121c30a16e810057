"""Recordings of a room: containers, files of each speaker, the folder."""
