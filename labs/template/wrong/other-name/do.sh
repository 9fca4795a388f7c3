sed -i 's/"hostname": ".*"/"hostname": "other"/' bundle/config.json
./minirun run -d one bundle
