"""The programs the deep checks run, each alone: `python SCRIPT [ARGUMENTS]`.

They import nothing of tailfin, because the Python that trains need not have it. Each prints one
JSON object on its last line of output and ends with 0; an error is a traceback and another code.
"""
