"""Brokers, and the gateway: the only room from which an order can leave."""
