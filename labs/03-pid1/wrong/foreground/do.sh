# the shell runs the trap only after the program in the foreground has ended
cat >bundle/rootfs/app/start.sh <<'END'
#!/bin/sh
trap 'exit 0' TERM INT
/app/worker &
sleep 1d
END
