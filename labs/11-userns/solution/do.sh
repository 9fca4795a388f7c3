# a user namespace: root of the container is user {{base}} of the host
sed -i 's/"linux": {/"linux": {\n\t\t"uidMappings": [{"containerID": 0, "hostID": {{base}}, "size": 65536}],\n\t\t"gidMappings": [{"containerID": 0, "hostID": {{base}}, "size": 65536}],/; s/"namespaces": \[/"namespaces": [\n\t\t\t{"type": "user"},/' bundle/config.json
# an ID-mapped mount: what belongs to you on the disk belongs to {{base}} below /shared
user=$(stat -c %u shared) group=$(stat -c %g shared)
sed -i "s|\"source\": \"../shared\",|&\n\t\t\t\"uidMappings\": [{\"containerID\": $user, \"hostID\": {{base}}, \"size\": 1}],\n\t\t\t\"gidMappings\": [{\"containerID\": $group, \"hostID\": {{base}}, \"size\": 1}],|; s/\"bind\"$/\"bind\", \"idmap\"/" bundle/config.json
./minirun run -d one bundle
./minirun exec one sh -c 'echo {{word}} > /shared/note'
