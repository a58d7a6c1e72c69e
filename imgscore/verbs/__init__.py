"""The verbs, one file each: its Request, its Response, and `run`, which carries it out.

`run(engine, request)` yields messages, and None where the engine has to take a step first. The CLI
drives it on the store itself, and the daemon drives it between its own steps: a verb works the same
in both.
"""
