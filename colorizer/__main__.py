"""`python -m colorizer`."""

from colorizer.cli import main

raise SystemExit(main())
