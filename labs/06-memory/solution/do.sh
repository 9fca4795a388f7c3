bytes=$(({{mib}} * 1024 * 1024))
sed -i "s/\"memory\": {}/\"memory\": {\"limit\": $bytes, \"swap\": $bytes}/" bundle/config.json
./minirun run -d one bundle
./minirun exec one dd if=/dev/zero of=/dev/null bs=120M count=1 || echo "exit status $?"
