"""The command `imgscore demo`: it draws pictures, and a real daemon puts them in order."""
