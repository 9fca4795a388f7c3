# without write access mkdir fails too, but the kernel still looks at the call
sed -i 's/"noNewPrivileges": true/"noNewPrivileges": false/' bundle/config.json broken/config.json
./minirun run -d one bundle
