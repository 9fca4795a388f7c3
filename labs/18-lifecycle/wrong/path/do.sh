# startContainer runs in the container, which has no such path
# hook NAME DIR: a hook that appends its name to the file order in a directory
hook() { printf '"%s": [{"path": "/bin/sh", "args": ["sh", "-c", "echo %s >> %s/order"]}]' "$1" "$1" "$2"; }

hooks="$(hook createRuntime "$PWD/log"), $(hook createContainer "$PWD/log"), $(hook startContainer "$PWD/log")"
hooks="$hooks, $(hook poststart "$PWD/log"), $(hook poststop "$PWD/log")"
sed -i "s|^\t\"linux\": {|\t\"hooks\": {$hooks},\n&|" bundle/config.json
./minirun create waiting waiting
./minirun create two bundle
./minirun start two || true
