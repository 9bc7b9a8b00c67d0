"""Forecasts: labels, splits, and the judgement of a model. Rooms of one subject each; import from the file you need."""
