"""`python -m jackpot` is the command `jackpot`."""

from .cli import main

if __name__ == "__main__":
    main()
