"""One KFP component per step: thin adapters that open the environment and call the step's function in the core."""

IMAGE = "jackpot-optimiser/pipeline:0.1.0"
"""The image that compiled pipelines name unless `jackpot compile --image` gives one by digest."""
