"""The verbs. Each verb has one file with its Request, its Response and its function `run`.

`run(engine, request)` is a generator that carries out the verb. It yields messages. It yields None
if the engine has to take a step before the verb can continue. If a daemon is running, the daemon
calls `run` between its own steps. Otherwise the CLI calls `run`.
"""
