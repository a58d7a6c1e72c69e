"""Moves labelled files from an inbox into the folders of their labels, and moves them back.

The process of the command `apply` uses this package. The daemon may not move files.
"""
