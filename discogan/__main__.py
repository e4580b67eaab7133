"""``python -m discogan``."""

from discogan.cli import main

if __name__ == "__main__":
    main()
