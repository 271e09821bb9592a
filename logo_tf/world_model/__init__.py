"""World models: learned one-step dynamics of a team, judged by their k-step error."""
