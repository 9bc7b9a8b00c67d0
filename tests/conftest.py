"""For every test."""

from hypothesis import HealthCheck, settings

# how long an example takes says something of the machine and what else runs on it, nothing of the law
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("desk")
