"""The commands. Each file contains one command and has its name.

For example, restore_times.py contains `restore-times`. The file of `import` is import_.py, because
`import` is a Python keyword. The import of a file adds its command to the application.
"""
