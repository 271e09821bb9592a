"""Foreign dataset formats, one importer a file."""
