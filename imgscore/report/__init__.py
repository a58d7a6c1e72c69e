"""The HTML page of the commands `report` and `review`: its data, its figures and its assets."""
