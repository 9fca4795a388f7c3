# another learner's containers
sed -i 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/; s/"cgroupsPath": "/&x/' bundle/config.json waiting/config.json
./minirun create waiting waiting
./minirun run -d two bundle
./minirun exec -d two sleep {{seconds}}
