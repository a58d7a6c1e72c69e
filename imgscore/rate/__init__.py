"""Write ratings beside images, or into their extended attributes, and remove them again.

Only the command `rate` uses this package. No image is opened for writing, and no file that imgscore
did not write is changed.
"""
