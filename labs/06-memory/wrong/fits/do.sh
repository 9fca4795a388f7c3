# the program does not need more than the limit
./minirun run -d one bundle
./minirun update --memory {{mib}}M one
./minirun exec one dd if=/dev/zero of=/dev/null bs=20M count=10
