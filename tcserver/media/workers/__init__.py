"""Media workers: processes with a media plane each."""
