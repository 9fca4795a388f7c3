# another learner's container
sed -i 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/' bundle/config.json
./minirun run -d one bundle
./minirun update --cpus {{cpus}} --pids-limit {{pids}} one
./minirun exec one bomb
