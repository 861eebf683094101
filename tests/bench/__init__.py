"""Benchmarks: one module `bench_*.py` per row of the table in docs/benchmarks.md, which they write.

    python -m tests.bench                 all rows; writes docs/benchmarks.md
    python -m tests.bench tools steps     some rows; prints only
    python -m tests.bench --quick         every row once and small: shows that the harness works

A row module has a `BENCH`. `harness.py` runs cases in turn and keeps what they gave; `report.py` makes the
table; `engine.py`, `server.py`, `vendor.py` and `peers.py` are what is run. What is compared is always run
alternately within one run, because machines wander: ratios are the result, not the microseconds.
"""
