# run is create and start at once, and a hook is missing
# hook NAME DIR: a hook that appends its name to the file order in a directory
hook() { printf '"%s": [{"path": "/bin/sh", "args": ["sh", "-c", "echo %s >> %s/order"]}]' "$1" "$1" "$2"; }

hooks="$(hook createRuntime "$PWD/log"), $(hook createContainer "$PWD/log"), $(hook startContainer /log)"
sed -i "s|^\t\"linux\": {|\t\"hooks\": {$hooks},\n&|" bundle/config.json
./minirun run -d waiting waiting
./minirun run -d two bundle
