# another file system in place of the shared directory
sed -i 's/"linux": {/"linux": {\n\t\t"uidMappings": [{"containerID": 0, "hostID": {{base}}, "size": 65536}],\n\t\t"gidMappings": [{"containerID": 0, "hostID": {{base}}, "size": 65536}],/; s/"namespaces": \[/"namespaces": [\n\t\t\t{"type": "user"},/' bundle/config.json
sed -i 's/"type": "bind"/"type": "tmpfs"/; s/"bind"$/"nosuid"/' bundle/config.json
echo {{word}} > shared/note
chown "$(stat -c %u shared)" shared/note
./minirun run -d one bundle
./minirun exec one sh -c 'echo {{word}} > /shared/note'
