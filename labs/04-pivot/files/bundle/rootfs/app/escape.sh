#!/bin/sh
# Print secret.txt, which is two directories above this root directory.
cat ../../secret.txt
