quota=$(awk 'BEGIN { print {{cpus}} * 100000 }')
sed -i "s/\"cpu\": {}/\"cpu\": {\"quota\": $quota, \"period\": 100000}/" bundle/config.json
sed -i 's/"pids": {}/"pids": {"limit": {{pids}}}/' bundle/config.json
./minirun run -d one bundle
./minirun exec one count
./minirun exec one bomb
