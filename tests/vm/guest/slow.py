"""Runs one of the end-to-end programs with more patience: the machine has no hardware below it."""

import runpy
import sys

import harness

PATIENCE = 6

path = sys.argv.pop(1)
wait = harness.eventually
harness.WAIT_S *= PATIENCE
harness.eventually = lambda check, seconds=1.0, step=0.02: wait(check, seconds * PATIENCE, step)
runpy.run_path(path, run_name="__main__")
