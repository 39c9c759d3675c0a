"""The steps of the pipelines as plain functions over files: what a component wraps and a notebook can call."""
