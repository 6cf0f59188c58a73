"""`python -m cluster.cli`: the command line without the installed script.

Rule of this file: it calls `main` and nothing else.
"""

import sys

from cluster.cli import main

if __name__ == "__main__":
    sys.exit(main())
