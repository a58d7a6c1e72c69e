"""The page of `report` and `review`: its assets, and the function that makes one file of them."""
