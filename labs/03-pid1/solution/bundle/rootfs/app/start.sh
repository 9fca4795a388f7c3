#!/bin/sh
# Process 1 of the container: it handles signals, and waits for its own children and for orphans.
trap 'exit 0' TERM INT
/app/worker &
wait
