cp bundle/config.json all.json
./minirun run -d whole bundle
for kind in pid network ipc mount; do
	tr -d '\n\t' <all.json | sed "s/{\"type\": \"$kind\"},*//; s/,]/]/" >bundle/config.json
	case $kind in network) id=nonet;; mount) id=nomnt;; *) id=no$kind;; esac
	./minirun run -d $id bundle
done
# without a UTS namespace there is no host name to set
tr -d '\n\t' <all.json | sed 's/{"type": "uts"},*//; s/,]/]/; s/"hostname": "{{name}}",//' >bundle/config.json
./minirun run -d nouts bundle
