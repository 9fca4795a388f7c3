# without any capability the service cannot start
sed -i '/CAP_/d' bundle/config.json
sed -i 's/"capabilities": {/"noNewPrivileges": true, &/' bundle/config.json
./minirun run one bundle || true
