"""The media of a seat: our publications and the packets of others, losses and their repair, speakers."""
