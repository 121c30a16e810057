"""What a server keeps on disk: database, identity, backups, and the thread that works with them."""
