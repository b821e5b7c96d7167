"""What runs leave, and what is made of it: folders, tables, tests, figures, reports.

`runs.Run` is a run read from its folder; copy `frame.py` for a new view of many.
"""
