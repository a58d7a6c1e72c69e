"""The commands, one file each, named after the command: restore_times.py is `restore-times`, and
import_.py is `import`, which is a Python keyword.

Importing a file adds its command to the application.
"""
