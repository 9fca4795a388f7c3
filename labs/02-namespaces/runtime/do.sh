# A bundle for each of the containers. The one without a mount namespace is left out.
for kind in none pid network uts ipc; do
	mkdir $kind
	tr -d '\n\t' <bundle/config.json |
		sed "s/{\"type\": \"$kind\"},*//; s/,]/]/; s|\"path\": \"rootfs\"|\"path\": \"../bundle/rootfs\"|" >$kind/config.json
done
sed -i 's/"hostname": "{{name}}",//' uts/config.json
