"""The commands, one file each. The file name is the command's name, with _ for - (import_: import).

Importing a file adds its command to the application.
"""
