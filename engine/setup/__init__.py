"""Setup: what is installed, what fits this box, and the commands that close the gap.

Standard library only: it runs before anything is installed.
"""
