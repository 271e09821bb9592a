"""Real environments behind one small protocol."""
