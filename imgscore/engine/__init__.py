"""The engine: all stages of the work, from a file event to a file date.

The stages run in one direction: hint → scan → digest → embed → label → train → score → order. The
daemon or the CLI runs the engine on one thread, one step at a time. The engine prints nothing.
"""
