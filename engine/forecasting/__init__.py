"""Forecasting: what came true, what was learned from it, and whether that is worth anything.

Judging a model, in order: `splits` and `combinatorial` (who may be trained on), `cases` (the rows to judge),
`judgement` (figures beside `baselines`, with `intervals` that know of `overlap`), `money` (through the trading core),
`skill` and `trials` (against luck), `canaries`, `gate` (the words of the answer), `verdicts.decide` (the answer), and
`card` (one page). Import from the file that has the name; nothing is loaded here: the desk's start must stay light.
"""
