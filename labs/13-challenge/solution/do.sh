./minirun build -q -t web .
# -p needs a bridge, which root has if the CNI plugins are installed; without it the container shares the host's network
./minirun run -d --name web -p {{port}}:{{port}} web || ./minirun run -d --name web --network host web
for i in 1 2 3 4 5; do busybox wget -q -O - http://127.0.0.1:{{port}}/ && break || sleep 1; done
