"""The verbs, one file each: what a request may say, and a generator that carries it out.

`run(engine, request)` yields messages, or None for "not yet: take a step". The CLI drives it on the
store itself, the daemon between its own steps; the verb does not know which.
"""
