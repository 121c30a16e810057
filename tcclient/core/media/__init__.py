"""The media path of a seat: datagrams in both directions, publications, statistics."""
