"""What starts a run, and how often: once for each key, however many times and from wherever it is asked for."""
