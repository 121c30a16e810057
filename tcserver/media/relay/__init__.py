"""The relay of sealed datagrams between media workers."""
