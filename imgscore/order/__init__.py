"""This package puts the files of an inbox into score order by changing the file dates.

`plan` computes the new dates, and only `touch` writes dates to files.
"""
