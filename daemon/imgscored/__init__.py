"""The daemon: watches folders and drives imgscore's engine. imgscore never imports it."""
