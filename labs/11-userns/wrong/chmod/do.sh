# everyone may write to the directory, and the file belongs to a user whom the host does not know
sed -i 's/"linux": {/"linux": {\n\t\t"uidMappings": [{"containerID": 0, "hostID": {{base}}, "size": 65536}],\n\t\t"gidMappings": [{"containerID": 0, "hostID": {{base}}, "size": 65536}],/; s/"namespaces": \[/"namespaces": [\n\t\t\t{"type": "user"},/' bundle/config.json
chmod 777 shared
./minirun run -d one bundle
./minirun exec one sh -c 'echo {{word}} > /shared/note'
