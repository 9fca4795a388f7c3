./minirun build -q -t web .
# -p needs a bridge, which root has if the CNI plugins are installed; without it the container shares the host's network
./minirun run -d --name web -p {{port}}:{{port}} web || ./minirun run -d --name web --network host web
