quota=$(awk 'BEGIN { print {{cpus}} * 100000 }')
sed -i "s/\"cpu\": {}/\"cpu\": {\"quota\": $quota, \"period\": 100000}/" bundle/config.json
sed -i 's/"pids": {}/"pids": {"limit": {{pids}}}/' bundle/config.json
./minirun run -d one bundle
# On a busy machine the container gets less than its quota, and need not wait: again, until it did.
for try in 1 2 3 4 5 6 7 8 9; do
	./minirun exec one count
	if ./minirun inspect one | grep ' [1-9][0-9]* of them'; then break; fi
done
./minirun exec one bomb
