"""The daemon: it watches folders and runs imgscore's engine.

The package imgscore never imports this package.
"""
