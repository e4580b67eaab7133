"""Observers that ship with the package: trackers, and a live figure for notebooks. One file each."""
