"""The commands. Each file contains one command, and is named after this command.

For example, restore_times.py contains `restore-times`. The file of `import` is import_.py, because
`import` is a Python keyword. When Python imports a file, the command is added to the application.
"""
