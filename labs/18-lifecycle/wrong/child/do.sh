# the second process is a child of the program, and not started by exec
sed -i 's/"sleep",/"sh", "-c",/; s/"1000"/"sleep {{seconds}} \& wait"/' bundle/config.json
./minirun create waiting waiting
./minirun run -d two bundle
