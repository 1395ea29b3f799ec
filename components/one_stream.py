"""Makes one stream of stdout and stderr, in pods of steps: a node reads two of them as it comes to, and would tell a line too late.

The image has this file as sitecustomize, which Python loads before anything else. The end of a log is then what was written last: where a
step failed, its traceback. Who is started by the step inherits the stream, or is given two of its own.
"""

import os

VARIABLE = "JOURNEY_ONE_STREAM"

if os.environ.pop(VARIABLE, ""):
    os.dup2(1, 2)
