sed -i -E '/CAP_/{/CAP_(CHOWN|NET_BIND_SERVICE)/!d}' bundle/config.json
sed -i 's/"capabilities": {/"noNewPrivileges": true, &/' bundle/config.json
./minirun run -d one bundle
timeout 10 sh -c 'until ./minirun exec one pidof httpd; do sleep 0.1; done'
