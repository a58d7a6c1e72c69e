"""Groups of similar images: how they are found, and which image is the best.

The functions are pure. They get facts and arrays, and do not access the store. The daemon imports
`best`, which loads no numpy.
"""
