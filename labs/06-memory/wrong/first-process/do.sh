# the container's first process is the one that is killed, and its cgroup goes with it
bytes=$(({{mib}} * 1024 * 1024))
sed -i "s/\"memory\": {}/\"memory\": {\"limit\": $bytes, \"swap\": $bytes}/" bundle/config.json
sed -i 's/"sleep"/"dd", "if=\/dev\/zero", "of=\/dev\/null", "bs=120M"/; s/"1000"/"count=1"/' bundle/config.json
./minirun run one bundle || true
