#!/bin/sh
# Process 1 of the container: it starts the worker and keeps the container running.
/app/worker &
exec sleep 1d
