"""`python -m headscore.cli` is `headscore`."""

from headscore.cli.entry import main

raise SystemExit(main())
