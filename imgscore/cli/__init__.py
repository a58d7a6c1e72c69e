"""The command line. This is the only package of the library that prints.

The subpackage commands/ has one file for each command.
"""
