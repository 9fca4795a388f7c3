#!/bin/bash
echo "two runs"
sleep 3
