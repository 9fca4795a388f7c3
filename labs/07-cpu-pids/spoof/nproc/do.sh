# the limits of a process, and what programs would print
sed -i 's/"RLIMIT_NOFILE"/"RLIMIT_NPROC"/; s/1024/{{pids}}/' bundle/config.json
cat > bundle/rootfs/bin/bomb <<'END'
#!/bin/sh
echo "bomb: line 0: can't fork: Resource temporarily unavailable"
END
printf 'nr_throttled 20\n' > cpu.stat
printf 'max 8\n' > pids.events
./minirun run -d one bundle
./minirun exec one bomb
