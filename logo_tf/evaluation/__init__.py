"""What came of it: returns in a scenario, plots, and the HTML report."""
