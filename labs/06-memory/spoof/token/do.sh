# another learner's container
sed -i 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/' bundle/config.json
./minirun run -d one bundle
./minirun update --memory {{mib}}M --memory-swap {{mib}}M one
./minirun exec one dd if=/dev/zero of=/dev/null bs=120M count=1 || true
