"""The plots: figures.py says what is in them; svg.py and png.py only draw."""
