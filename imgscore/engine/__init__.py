"""The engine: all the work between a change of a file and the file's new date.

The steps run in one direction: hint → scan → digest → embed → label → train → score → order. The
daemon or the CLI runs the engine on one thread, one step at a time. The engine prints nothing.
"""
