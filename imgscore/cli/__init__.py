"""The command line. This is the only package of the library that prints.

The folder commands/ has one file for each command.
"""
