"""`python -m loadsim` is the `loadsim` command."""

from loadsim.cli.main import main

if __name__ == "__main__":
    main()
