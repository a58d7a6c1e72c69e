"""The plots: figures.py says what is in them; svg.py only draws."""
