# a megabyte has a million bytes, a mebibyte has more
sed -i 's/"memory": {}/"memory": {"limit": {{mib}}000000, "swap": {{mib}}000000}/' bundle/config.json
./minirun run -d one bundle
./minirun exec one dd if=/dev/zero of=/dev/null bs=120M count=1 || true
