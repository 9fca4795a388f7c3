# another learner's container has a filter
sed -i 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/; s/"linux": {/"linux": {\n\t\t"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},/' bundle/config.json
./minirun run -d one bundle
