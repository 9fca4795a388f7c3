# another learner's containers
sed -i 's/MINIRUN_LAB={{token}}/MINIRUN_LAB=0123abcd/' bundle/config.json
cp bundle/config.json all.json
./minirun run -d whole bundle
for kind in pid network ipc mount; do
	tr -d '\n\t' <all.json | sed "s/{\"type\": \"$kind\"},*//; s/,]/]/" >bundle/config.json
	./minirun run -d no$kind bundle
done
