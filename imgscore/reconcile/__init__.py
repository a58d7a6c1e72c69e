"""Compares the disk with the store. The disk decides; an event is only a hint to check a path."""
