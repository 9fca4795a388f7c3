# another learner's container
sed -i -e 's/"hostname": ".*"/"hostname": "{{host}}"/' -e 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/' bundle/config.json
./minirun run -d one bundle
