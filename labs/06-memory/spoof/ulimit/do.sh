# the limit of a shell, and a printed counter
./minirun run -d one bundle
./minirun exec one sh -c 'ulimit -v $(({{mib}} * 1024)); dd if=/dev/zero of=/dev/null bs=120M count=1' || true
printf 'oom_kill 1\n' > memory.events
printf '{{mib}}M\n' > memory.max
