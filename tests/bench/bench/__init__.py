"""The benchmark: what latentd does beside what people would use instead, measured in one run.

__main__.py      the command line, and the order of things
workbench.py     what all rows share: programs, models, peers, texts, repetitions
rows.py          the form of a row, and the list of them all
prompting.py     rows: time to first token        computing.py  rows: encoding, decoding, operations
storing.py       rows: the store                  serving.py    rows: many clients, memory, sharing
curves.py        what the plots show
daemon.py, llama.py, redis.py, programs.py        the sides that are measured
peer.py, machine.py, texts.py                     what peers share, what all is measured on
report.py, plots.py                               the table, docs/BENCHMARKS.md, the drawings"""
