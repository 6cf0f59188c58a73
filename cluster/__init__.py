"""The shell of many processes and the doors: Ray actors, links, durable journals, the command line.

Rule of this package: only here are there clocks, files, sockets and processes.
"""
