#!/bin/sh
echo "three runs"
sleep 3
