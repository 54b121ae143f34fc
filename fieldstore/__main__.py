"""`python -m fieldstore`: the same as the command `fieldstore`."""

from fieldstore.cli import main

raise SystemExit(main())
