# the file gets its owner on the host, and the service is another one
chown {{owner}} bundle/rootfs/srv/log
printf '#!/bin/sh\nexec httpd -f -p {{port}} -h /srv\n' > bundle/rootfs/bin/service
sed -i -E '/CAP_/{/CAP_NET_BIND_SERVICE/!d}' bundle/config.json
sed -i 's/"capabilities": {/"noNewPrivileges": true, &/' bundle/config.json
./minirun run -d one bundle
