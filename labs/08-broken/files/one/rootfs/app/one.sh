#!/bin/sh
if true; then
	echo "one runs"
	sleep 3
fi
