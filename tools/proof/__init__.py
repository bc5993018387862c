"""Programs that try to break the study server: `make leaks`, `make chaos`, `make load`.

They start real servers on this machine's loopback address, drive them from other processes, and write what they
measured into docs/. Their small forms are part of the tests.
"""
