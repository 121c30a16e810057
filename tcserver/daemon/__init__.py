"""The running server: sockets, processes and the database around the conference and the media plane."""
