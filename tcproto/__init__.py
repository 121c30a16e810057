"""The wire of the teleconference: pure protocol code without clock, socket or event loop."""
