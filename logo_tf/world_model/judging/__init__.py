"""Parts of judging a world model: what it foresaw, how wrong it was, and what it knew of that."""
