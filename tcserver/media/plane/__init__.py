"""The media plane: commands, datagrams and time in; datagrams for sets of receivers, events and statistics out."""
