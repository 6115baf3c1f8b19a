"""The command line and the templates of new plugins."""
