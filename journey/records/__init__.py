"""The durable tables and the registered versions."""
