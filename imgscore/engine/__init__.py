"""The flow, in one direction: hint → scan → digest → embed → label → train → score → order.

The daemon and the CLI run it one step at a time, on one thread. It prints nothing.
"""
