# an errno that is not the one asked for, and a program that runs because nothing is forbidden any more
sed -i 's/"linux": {/"linux": {\n\t\t"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [\n\t\t\t{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22}]},/' bundle/config.json
sed -i 's/SCMP_ACT_ERRNO/SCMP_ACT_ALLOW/; /errnoRet/d; s/"SCMP_ACT_ALLOW",$/"SCMP_ACT_ALLOW"/; s/"defaultAction": "SCMP_ACT_ALLOW"/&,/' broken/config.json
./minirun run -d one bundle
