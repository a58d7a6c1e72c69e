"""The order by score, written as file dates.

`plan` computes the dates, and only `touch` writes dates to files.
"""
