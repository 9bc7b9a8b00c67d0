"""Market data: live, simulated and replayed feeds, histories, the symbol map, the quality gate, and bars.

Import from its modules: the package itself loads nothing, so that reading a bar file needs no venue's libraries.
"""
