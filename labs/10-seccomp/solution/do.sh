# the first bundle: a filter with both calls that create directories
sed -i 's/"linux": {/"linux": {\n\t\t"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [\n\t\t\t{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": {{errno}}}]},/' bundle/config.json
./minirun run -d one bundle
# the second one: what the program needs is allowed, everything else stays forbidden
case "{{step}}" in
mkdir*) calls="mkdir mkdirat" ;;
mkfifo*) calls="mknod mknodat" ;;
ln*) calls="symlink symlinkat" ;;
truncate*) calls="truncate ftruncate" ;;
mv*) calls="rename renameat renameat2" ;;
chmod*) calls="chmod fchmod fchmodat" ;;
esac
for call in $calls; do sed -i "/\"$call\",/d" broken/config.json; done
