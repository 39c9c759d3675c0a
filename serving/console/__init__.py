"""The console: the week's decision in a browser, thin over the core and its records."""
