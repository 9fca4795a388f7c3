./minirun run -d whole bundle
tr -d '\n\t' <bundle/config.json | sed 's/{"type": "pid"},*//; s/,]/]/' >new.json
mv new.json bundle/config.json
./minirun run -d nopid bundle
