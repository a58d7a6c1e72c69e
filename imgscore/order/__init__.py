"""Score order as file dates: `plan` computes the dates (pure), only `touch` writes them."""
