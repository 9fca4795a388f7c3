# another learner's container
sed -i 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/' bundle/config.json
sed -i -E '/CAP_/{/CAP_(CHOWN|NET_BIND_SERVICE)/!d}' bundle/config.json
sed -i 's/"capabilities": {/"noNewPrivileges": true, &/' bundle/config.json
./minirun run -d one bundle
