"""The page of `report` and `review`: its data, its figures and its assets."""
