# each container has one namespace less than the one before
./minirun run -d whole bundle
for kind in pid network ipc mount; do
	tr -d '\n\t' <bundle/config.json | sed "s/{\"type\": \"$kind\"},*//; s/,]/]/" >new.json
	mv new.json bundle/config.json
	./minirun run -d no$kind bundle
done
