"""How good a demand model is: rolling-origin forecasts of past draws, their scores, and what these prove."""
