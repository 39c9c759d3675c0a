"""Settings of the sales forecast by trial: proposed from a seed, screened cheaply, kept only if confirmed."""
