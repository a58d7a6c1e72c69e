"""The daemon: it watches, and drives imgscore's engine. It imports imgscore, never the reverse."""
