"""The desk's front: who may ask for what, what becomes of it, and what clients are told.

Rule of this package: it decides by recording facts, and its state is what the recorded facts make of it; nothing that
it answers is true before they are durable.
"""
