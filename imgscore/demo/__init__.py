"""`imgscore demo`: pictures made on the spot, and the real daemon at work on them."""
