"""`python -m pyfi` is `flow`."""

from pyfi.cli.main import main

main()
