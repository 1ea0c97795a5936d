"""`accelerate launch -m pipelines.train`: the command as a module."""

from pipelines.train.command import main

if __name__ == "__main__":
    main()
