"""The flow, one direction: hint → reconcile → digest → embed → label → train → score → order.

The daemon and the CLI both run it, one step at a time, on one thread. It prints nothing.
"""
