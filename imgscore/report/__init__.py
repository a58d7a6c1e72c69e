"""The page of `report` and `review`: its assets, and the function that makes one file of them."""

from typing import Any

Row = dict[str, Any]
"""A JSON object of the page's data."""
