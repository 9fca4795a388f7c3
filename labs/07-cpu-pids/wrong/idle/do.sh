# the limits are set, and never reached
./minirun run -d one bundle
./minirun update --cpus {{cpus}} --pids-limit {{pids}} one
