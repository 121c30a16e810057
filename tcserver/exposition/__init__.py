"""What a monitoring system can ask for by HTTP: metrics and health."""
