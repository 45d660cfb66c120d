"""Named checks: one line each, a count at the end, and an exit code that tells."""

import sys
import traceback

CHECKS = []


def check(function):
    """Registers a check; its name is what is printed."""
    CHECKS.append(function)
    return function


def run():
    """Runs every check and ends the process."""
    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            remark = function()
        except Exception as error:  # noqa: BLE001: every failure is reported, then counted
            failed += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            print(f"FAIL {name}: {type(error).__name__} at line {place.lineno}: {str(error)[:2000]}")
        else:
            print(f"ok   {name}" + (f": {remark}" if isinstance(remark, str) else ""))
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
