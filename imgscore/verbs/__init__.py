"""The verbs. Each verb has one file with its Request, its Response and its function `run`.

A verb is what one command of the CLI asks imgscore to do, such as `score` or `undo`.

`run(engine, request)` is a generator that carries out the verb. It yields messages: the rows of the
answer, and the progress. The engine works in steps. If the verb has to wait for the engine, `run`
yields None. The caller then lets the engine take a step, and resumes the generator. The caller is
the daemon if one is running, otherwise the CLI.
"""
