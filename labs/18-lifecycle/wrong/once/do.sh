# one hook writes everything at once
cat > all.sh <<X
#!/bin/sh
for name in createRuntime createContainer startContainer poststart poststop; do echo \$name; done >> $PWD/log/order
X
chmod +x all.sh
sed -i "s|^\t\"linux\": {|\t\"hooks\": {\"createRuntime\": [{\"path\": \"$PWD/all.sh\"}]},\n&|" bundle/config.json
./minirun create waiting waiting
./minirun run -d two bundle
