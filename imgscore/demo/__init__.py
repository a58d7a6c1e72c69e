"""The parts of the command `imgscore demo`, which draws pictures. A real daemon then puts the
pictures in order.
"""
