"""The command line, the only package of the library that prints. commands/ has a file for each
command."""
