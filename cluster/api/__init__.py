"""The HTTP door: resources over JSON and MessagePack, streams, one table of errors, one document.

Rule of this package: it decides nothing about orders; what it is asked goes to the desk behind `cluster.api.backend`,
and what it shows is a view of the journal.
"""
