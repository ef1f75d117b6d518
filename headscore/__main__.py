"""`python -m headscore` is `headscore`."""

from headscore.cli.entry import main

raise SystemExit(main())
