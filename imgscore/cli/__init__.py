"""The command line: the only room of the library that prints. One file a verb or two."""
