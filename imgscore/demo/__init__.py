"""`imgscore demo`: draws pictures, and lets a real daemon put them in order."""
