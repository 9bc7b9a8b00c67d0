"""Training: rows from bars, a fit, its judgement, an artefact, and a row in the experiment ledger for every fit."""
