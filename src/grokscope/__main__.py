"""`python -m grokscope` is the command line."""

from grokscope.cli import main

if __name__ == "__main__":
    main()
