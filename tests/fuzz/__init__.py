"""Generated hostile inputs for everything that reads a file, a name or a setting.

harness.py      the rules, and how one case is run and checked
mutations.py    hypothesis strategies: hostile values, damaged bytes, damaged JSON
material.py     the valid images, runs and files that are damaged
targets/        what is tested: one file for each kind of input
worker.py       one process that runs cases of one target within limits
__main__.py     ``make fuzz``: 100,000 cases, one row for each target in docs/reliability/fuzz.jsonl
seeds/TARGET/   one file for each case that once broke a rule; ``test_fuzz.py`` replays them
"""
