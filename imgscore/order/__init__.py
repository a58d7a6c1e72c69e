"""Score order, written as file dates: `plan` decides (pure), `touch` alone writes."""
