"""`python -m paco_prof`."""

from paco_prof.cli.app import main

if __name__ == "__main__":
    main()
