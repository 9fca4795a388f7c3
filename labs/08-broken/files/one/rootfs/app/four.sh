#!/bin/sh
. ./settings
echo "$name runs"
sleep 3
