"""`accelerate launch -m pipelines.tune`: the command as a module."""

from pipelines.tune.command import main

if __name__ == "__main__":
    main()
