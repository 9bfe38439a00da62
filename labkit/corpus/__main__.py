"""``python -m labkit.corpus``: see ``check``."""

from labkit.corpus.check import main

raise SystemExit(main())
