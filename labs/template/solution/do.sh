sed -i 's/"hostname": ".*"/"hostname": "{{host}}"/' bundle/config.json
./minirun run -d one bundle
