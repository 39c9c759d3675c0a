"""Whether the model in use still holds: sequential detectors on its one-step errors, and one verdict."""
