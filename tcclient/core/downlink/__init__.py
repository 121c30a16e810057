"""The way down: what comes, how long it waits on the line, and what is given up where the line is too thin."""
