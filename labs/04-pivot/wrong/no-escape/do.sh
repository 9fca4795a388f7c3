# the container is safe, but the escape does not work anywhere
sed -i 's/"namespaces": \[/&{"type": "mount"},/' bundle/config.json
